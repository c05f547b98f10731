#!/bin/sh
# Builds etcd, the Kubernetes control plane and KWOK from Go modules into target/controlplane/bin.
# Nothing is built when KUBEBUILDER_ASSETS names a control plane, or when the last build was made
# from the same go.mod, go.sum and script.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
bin=$root/target/controlplane/bin
stamp=$bin/.built-from
kwok=v0.8.0

say() { echo "controlplane: $*" >&2; }

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    if [ -x "$KUBEBUILDER_ASSETS/etcd" ] && [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ]; then
        exit 0
    fi
    say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS holds no etcd and kube-apiserver: unset it to have them built"
    exit 1
fi

inputs() { cat "$here/go.mod" "$here/go.sum" "$here/build.sh"; }

built() {
    for binary in etcd kube-apiserver kube-controller-manager kube-scheduler kwok; do
        [ -x "$bin/$binary" ] || return 1
    done
    inputs | cmp -s - "$stamp"
}

if built; then exit 0; fi

command -v go >/dev/null 2>&1 || {
    say "Go 1.26 or newer is needed to build the control plane: https://go.dev/dl (or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver)"
    exit 1
}

mkdir -p "$bin"
rm -f "$stamp"
cd "$here"

export CGO_ENABLED=0
# A developer's own workspace or flags must not decide what is built here.
export GOWORK=off GOFLAGS=-buildvcs=false

# `go build` leaves the version out, and a server that reports v0.0.0 misleads clients.
kubernetes=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
major=${kubernetes#v}
minor=${major#*.}
major=${major%%.*}
minor=${minor%%.*}
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

say "building etcd (1 of 3)"
go build -trimpath -ldflags "-s -w" -o "$bin/etcd" go.etcd.io/etcd/server/v3
say "building Kubernetes $kubernetes (2 of 3; some minutes when nothing is cached)"
go build -trimpath -ldflags "$flags" -o "$bin/" \
    k8s.io/kubernetes/cmd/kube-apiserver \
    k8s.io/kubernetes/cmd/kube-controller-manager \
    k8s.io/kubernetes/cmd/kube-scheduler
say "building KWOK $kwok (3 of 3)"
GOBIN=$bin go install -trimpath -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@$kwok"

inputs >"$stamp"
say "done: $bin"
