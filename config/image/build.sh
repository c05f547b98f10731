#!/bin/sh
# Builds the image and packs it: `make image`. In OUT (target/image) are afterwards
#   comptroller-ARCH.tar       the image as a docker archive: docker load, podman load, ctr images import,
#                              kind load image-archive, or skopeo copy docker-archive:FILE docker://...
#   comptroller-ARCH.digest    its digest
#   comptroller-ARCH.cdx.json  its bill of materials (CycloneDX)
#
# ARCH=amd64|arm64; COMPTROLLER_IMAGE_PROFILE=dev packs the dev binary instead, for tests: it is not static, and
# not stripped of anything but debug information; its files are named comptroller-ARCH-dev.
# COMPTROLLER_IMAGE_BINARY=FILE packs a binary that is there already. ENGINE=buildah|podman|docker.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
cd "$root"

# A newer version has newer authorities; it is raised with each release.
certifi=2026.10.19.post1
cyclonedx=0.5.9

say() { echo "image: $*" >&2; }

case ${ARCH:-$(uname -m)} in
amd64 | x86_64) ARCH=amd64 ;;
arm64 | aarch64) ARCH=arm64 ;;
esac
export ARCH
profile=${COMPTROLLER_IMAGE_PROFILE:-release}
out=${OUT:-target/image}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
image=${IMAGE:-comptroller:$version}
# The time of the commit stands for that of the build, which would make every build another one.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD -- 2>/dev/null || revision=$revision-dirty

engine=${ENGINE:-}
for candidate in buildah podman docker; do
    [ -n "$engine" ] || ! command -v "$candidate" >/dev/null 2>&1 || engine=$candidate
done
[ -n "$engine" ] || {
    say "buildah, podman or docker is needed to pack the image (Debian: apt-get install buildah)"
    exit 1
}

mkdir -p "$out"
out=$(CDPATH='' cd -- "$out" && pwd)
case $profile in
release) base=$out/comptroller-$ARCH ;;
dev) base=$out/comptroller-$ARCH-dev ;;
*)
    say "COMPTROLLER_IMAGE_PROFILE is $profile; it is release or dev"
    exit 1
    ;;
esac
context=$base.context
rm -rf "$context"
mkdir -p "$context"

if [ -n "${COMPTROLLER_IMAGE_BINARY:-}" ]; then
    cp "$COMPTROLLER_IMAGE_BINARY" "$context/comptroller"
elif [ "$profile" = dev ]; then
    ${CARGO:-cargo} build --locked --bin comptroller >&2
    cp "${CARGO_TARGET_DIR:-target}/debug/comptroller" "$context/comptroller"
else
    config/image/binary.sh "$context/comptroller"
fi
[ "$profile" = release ] || strip --strip-debug "$context/comptroller" 2>/dev/null || true

# Mozilla's authorities by a pinned version, so that the image is the same wherever it is built, and trusts
# nobody whom only the building machine trusts.
bundle=target/tools/certifi/$certifi/certifi/cacert.pem
if [ ! -f "$bundle" ]; then
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --no-deps --target "target/tools/certifi/$certifi" "certifi==$certifi" >&2
fi
config/image/rootfs.sh "$context/comptroller" "$bundle" "$context/rootfs"
rm "$context/comptroller"

set -- \
    --label "org.opencontainers.image.title=comptroller" \
    --label "org.opencontainers.image.description=Keeps SOC 2 controls true in a Kubernetes cluster, and proves it" \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$revision" \
    --label "org.opencontainers.image.licenses=Apache-2.0" \
    --file Containerfile --target prebuilt --platform "linux/$ARCH" --tag "$image"
archive=$base.tar
rm -f "$archive" "$base.digest"
case $engine in
buildah)
    # Its own store, so that nothing of the user's is read or left; no overlay and no namespaces, so that it
    # works inside a container too.
    store=$base.store
    rm -rf "$store"
    in_store() { buildah --storage-driver vfs --root "$store/root" --runroot "$store/run" "$@"; }
    # Without its own label, since another version of buildah would make another image.
    in_store bud --isolation chroot --quiet --identity-label=false --timestamp "$epoch" "$@" "$context" >/dev/null
    in_store push --quiet --digestfile "$base.digest" "$image" "docker-archive:$archive:$image" >/dev/null
    rm -rf "$store"
    ;;
podman)
    podman build --quiet --timestamp "$epoch" "$@" "$context" >/dev/null
    podman save --quiet --format docker-archive --output "$archive" "$image"
    podman image inspect --format '{{.Digest}}' "$image" >"$base.digest"
    ;;
docker)
    SOURCE_DATE_EPOCH=$epoch docker buildx build --quiet --provenance=false \
        --output "type=docker,dest=$archive,name=$image,rewrite-timestamp=true" "$@" "$context" >/dev/null
    ;;
*)
    say "ENGINE is $engine; it is buildah, podman or docker"
    exit 1
    ;;
esac
rm -rf "$context"

# Of the binary as it is built, not of what can be guessed from the image: Cargo.lock says which crates are in it.
if [ "$profile" = release ] && [ -z "${COMPTROLLER_IMAGE_BINARY:-}" ]; then
    if [ ! -x target/tools/bin/cargo-cyclonedx ]; then
        say "building cargo-cyclonedx $cyclonedx"
        ${CARGO:-cargo} install --quiet --locked --root target/tools "cargo-cyclonedx@$cyclonedx" >&2
    fi
    SOURCE_DATE_EPOCH=$epoch target/tools/bin/cargo-cyclonedx cyclonedx --quiet --format json \
        --spec-version 1.5 --describe binaries --target "$(config/image/binary.sh --target)" --manifest-path Cargo.toml
    glibc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
    python3 config/image/bom.py comptroller_bin.cdx.json "$root" "$glibc" "$certifi" >"$base.cdx.json"
    rm -f ./*.cdx.json crates/*/*.cdx.json
fi

say "$archive holds $image for linux/$ARCH, $(cat "$base.digest" 2>/dev/null || echo "built by $engine")"
