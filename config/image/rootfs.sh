#!/bin/sh
# Lays out the files of the image: rootfs.sh BINARY CA_BUNDLE FOLDER
# A binary that is not static, as the dev profile makes, gets its loader and the libraries that it links.
set -eu
binary=$1 bundle=$2 rootfs=$3

rm -rf "$rootfs"
mkdir -p "$rootfs/usr/local/bin" "$rootfs/etc/ssl/certs"
cp "$binary" "$rootfs/usr/local/bin/comptroller"
# Where rustls looks first on every Linux; buckets, witnesses and webhooks are checked against it.
cp -L "$bundle" "$rootfs/etc/ssl/certs/ca-certificates.crt"
# Without this file glibc asks DNS before it reads /etc/hosts, which the kubelet writes.
echo 'hosts: files dns' >"$rootfs/etc/nsswitch.conf"
echo 'comptroller:x:65532:65532:Comptroller:/:/sbin/nologin' >"$rootfs/etc/passwd"
echo 'comptroller:x:65532:' >"$rootfs/etc/group"

# ldd prints `NAME => PATH (ADDRESS)`, and the loader as `PATH (ADDRESS)`; of a static binary neither.
ldd "$binary" 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) { print $i; next } }' | while read -r library; do
    mkdir -p "$rootfs$(dirname -- "$library")"
    cp -L "$library" "$rootfs$library"
done

find "$rootfs" -type d -exec chmod 755 {} +
find "$rootfs" -type f -exec chmod 644 {} +
find "$rootfs/usr" "$rootfs"/lib* -type f -exec chmod 755 {} + 2>/dev/null || true
