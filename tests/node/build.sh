#!/bin/sh
# Builds what a node runs beside containerd from Go modules into target/node/bin: kubelet and
# kube-proxy of the control plane's Kubernetes, CoreDNS, and the pause of each pod.
# Nothing is built when the last build was made from the same modules and script.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
modules=$root/tests/controlplane
bin=$root/target/node/bin
stamp=$bin/.built-from

say() { echo "node: $*" >&2; }

inputs() {
    cat "$modules/go.mod" "$modules/go.sum" \
        "$here/go.mod" "$here/go.sum" "$here/coredns/main.go" "$here/pause/main.go" "$here/build.sh"
}

built() {
    for binary in kubelet kube-proxy coredns pause; do
        [ -x "$bin/$binary" ] || return 1
    done
    inputs | cmp -s - "$stamp"
}

if built; then exit 0; fi

command -v go >/dev/null 2>&1 || {
    say "Go 1.26 or newer is needed to build the kubelet: https://go.dev/dl"
    exit 1
}

mkdir -p "$bin"
rm -f "$stamp"

# Static: pause and CoreDNS run in images that hold nothing else.
export CGO_ENABLED=0
# A developer's own workspace or flags must not decide what is built here.
export GOWORK=off GOFLAGS=-buildvcs=false

cd "$modules"
kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
major=${kubernetes#v}
minor=${major#*.}
major=${major%%.*}
minor=${minor%%.*}
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"
say "building kubelet and kube-proxy $kubernetes (1 of 2; a minute after the control plane's)"
go build -trimpath -ldflags "$flags" -o "$bin/" \
    k8s.io/kubernetes/cmd/kubelet \
    k8s.io/kubernetes/cmd/kube-proxy

cd "$here"
say "building CoreDNS and pause (2 of 2)"
go build -trimpath -ldflags "-s -w" -o "$bin/" ./coredns ./pause

inputs >"$stamp"
say "done: $bin"
