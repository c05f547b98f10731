#!/usr/bin/env python3
"""Completes a bill of materials: bom.py CYCLONEDX_JSON ROOT GLIBC_VERSION CERTIFI_VERSION > COMPLETE_JSON

cargo-cyclonedx knows the crates. The image also holds what the binary is linked with, and Mozilla's authorities;
and the folder in which it was built says nothing to anybody else.
"""

import json
import sys

path, root, glibc, certifi = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    bom = json.loads(file.read().replace(f"path+file://{root}", "path+file:///src"))

bom["components"] += [
    {
        "type": "library",
        "bom-ref": f"glibc@{glibc}",
        "name": "glibc",
        "version": glibc,
        "description": "The GNU C Library, linked into the binary",
        "scope": "required",
        "licenses": [{"expression": "LGPL-2.1-or-later"}],
        "cpe": f"cpe:2.3:a:gnu:glibc:{glibc}:*:*:*:*:*:*:*",
    },
    {
        "type": "data",
        "bom-ref": f"pkg:pypi/certifi@{certifi}",
        "name": "certifi",
        "version": certifi,
        "description": "Mozilla's certificate authorities, in /etc/ssl/certs/ca-certificates.crt",
        "scope": "required",
        "licenses": [{"expression": "MPL-2.0"}],
        "purl": f"pkg:pypi/certifi@{certifi}",
    },
]
own = bom["metadata"]["component"]["bom-ref"]
for dependency in bom["dependencies"]:
    if dependency["ref"] == own:
        dependency["dependsOn"] += [f"glibc@{glibc}", f"pkg:pypi/certifi@{certifi}"]
print(json.dumps(bom, indent=2, ensure_ascii=False))
