#!/bin/sh
# Builds the static binary of the image for ARCH (amd64 or arm64; this machine's own by default).
# `binary.sh --target` prints the name of the Rust target, `binary.sh FILE` writes the binary to FILE.
#
# Static, since the image then holds nothing that would have to match the binary, and glibc, since it is what
# the operator is measured with: MALLOC_ARENA_MAX bounds its heaps. Names are resolved as usual: since glibc
# 2.34 the parts that read /etc/hosts and ask DNS are in the library itself.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")

say() { echo "image: $*" >&2; }

machine=$(uname -m)
case ${ARCH:-$machine} in
amd64 | x86_64) target=x86_64-unknown-linux-gnu cpu=x86_64 ;;
arm64 | aarch64) target=aarch64-unknown-linux-gnu cpu=aarch64 ;;
*)
    say "ARCH is ${ARCH:-$machine}; the image is built for amd64 and arm64"
    exit 1
    ;;
esac

if [ "$1" = --target ]; then
    echo "$target"
    exit 0
fi

cd "$root"
if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
    say "this Rust toolchain has no standard library for $target: rustup target add $target, or build from source with docker buildx build -f Containerfile --platform linux/$ARCH ."
    exit 1
fi
if [ "$cpu" != "$machine" ]; then
    compiler=$cpu-linux-gnu-gcc
    command -v "$compiler" >/dev/null 2>&1 || {
        say "to build for $cpu on $machine, $compiler is needed (Debian: apt-get install gcc-$(echo "$cpu" | tr _ -)-linux-gnu)"
        exit 1
    }
    name=$(echo "$target" | tr - _)
    export "CC_$name=$compiler" "CARGO_TARGET_$(echo "$name" | tr '[:lower:]' '[:upper:]')_LINKER=$compiler"
fi

# The place where it was built must not show in the binary: two builds are the same then.
RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$root=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export RUSTFLAGS
${CARGO:-cargo} build --release --locked --bin comptroller --target "$target" >&2
mkdir -p "$(dirname -- "$1")"
cp "${CARGO_TARGET_DIR:-target}/$target/release/comptroller" "$1"
