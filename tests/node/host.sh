#!/bin/sh
# All that a node changes on its machine: prepares it, holds it until standard input ends, and puts
# everything back. The kernel closes the input however the owner ends, SIGKILL included; what is
# left when this script was killed as well, the next start removes first.
#
#     host.sh STATE ROOT BRIDGE ADDRESS PODS
#
# STATE is on a tmpfs (sockets, tasks, mounts), ROOT on a disk (images, volumes). BRIDGE holds
# ADDRESS, which is the node's; PODS is the subnet of the pods.
set -u

state=$1 root=$2 bridge=$3 address=$4 pods=$5
cgroup=${state##*/}
lock=$state.lock

say() { echo "node: $*" >&2; }

# The mounts of every cgroup hierarchy: one for version 2, a dozen for version 1.
hierarchies() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts; }

mounts() { awk -v state="$state/" -v root="$root/" \
    'index($2, state) == 1 || index($2, root) == 1 { print $2 }' /proc/mounts | sort -r; }

# Processes of a name whose command line speaks of this node's folders.
processes() {
    for process in /proc/[0-9]*; do
        case $(cat "$process/comm" 2>/dev/null) in
            kubelet | kube-proxy | containerd | containerd-shim) ;;
            *) continue ;;
        esac
        tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q -e "$state/" -e "$root/" \
            && echo "${process#/proc/}"
    done
}

contained() {
    for hierarchy in $(hierarchies); do
        [ -d "$hierarchy/$cgroup" ] && find "$hierarchy/$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -u
}

# Kills what a function lists until it lists nothing: what dies may still have started another.
kill_all() {
    for _ in $(seq 200); do
        pids=$("$1")
        [ -z "$pids" ] && return
        # shellcheck disable=SC2086
        kill -s KILL $pids 2>/dev/null
        sleep 0.1
    done
    say "these processes do not end: $("$1" | tr '\n' ' ')"
}

down() {
    [ -e "$root/ours" ] || return 0
    # The kubelet and containerd first: they would start again what ends.
    kill_all processes
    kill_all contained
    for mount in $(mounts); do
        umount "$mount" 2>/dev/null || umount -l "$mount"
    done
    nft delete table ip kube-proxy 2>/dev/null
    nft delete table ip6 kube-proxy 2>/dev/null
    ip link delete "$bridge" 2>/dev/null
    forward -D
    for hierarchy in $(hierarchies); do
        [ -d "$hierarchy/$cgroup" ] && find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
    [ -d /var/log/containers ] && find /var/log/containers -lname "$root/*" -delete
    rmdir /var/log/containers 2>/dev/null
    [ -e "$root/sysctl" ] && while read -r setting value; do
        echo "$value" >"/proc/sys/$setting"
    done <"$root/sysctl"
    if [ -n "$(mounts)" ]; then
        say "still mounted: $(mounts | tr '\n' ' ')"
        return 1
    fi
    rm -rf --one-file-system "$state" "$root"
}

# A firewall that drops what it does not know, as Docker's does, would keep pods from each other.
forward() {
    iptables -S FORWARD 2>/dev/null | grep -q -e '^-P FORWARD DROP' || return 0
    iptables "$1" FORWARD -s "$pods" -j ACCEPT 2>/dev/null
    iptables "$1" FORWARD -d "$pods" -j ACCEPT 2>/dev/null
}

up() {
    if nft list table ip kube-proxy >/dev/null 2>&1; then
        say "this machine has a kube-proxy already, so it seems to be a node of a cluster: use another"
        return 1
    fi
    mkdir -p "$state" "$root" && : >"$root/ours" || return 1
    # What the kubelet and the network plugins set and never put back.
    for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
        kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/ipv4/ip_forward; do
        [ -r "/proc/sys/$setting" ] && echo "$setting $(cat "/proc/sys/$setting")"
    done >"$root/sysctl"
    for hierarchy in $(hierarchies); do
        mkdir -p "$hierarchy/$cgroup" || return 1
    done
    ip link add "$bridge" type bridge && ip address add "$address/32" dev "$bridge" \
        && ip link set "$bridge" up || return 1
    forward -I
    # A folder that is an overlay itself, as in a container, takes no other on top.
    mkdir "$root/lower" "$root/upper" "$root/work" "$root/merged"
    if mount -t overlay overlay "$root/merged" \
        -o "lowerdir=$root/lower,upperdir=$root/upper,workdir=$root/work" 2>/dev/null; then
        umount "$root/merged"
        echo overlayfs >"$root/snapshotter"
    else
        echo native >"$root/snapshotter"
    fi
}

exec 9>>"$lock"
flock -n 9 || {
    say "waiting for another node on this machine to end"
    flock -w 600 9 || { say "it did not end in 10 minutes"; exit 1; }
}
down || exit 1
up || { down; exit 1; }
echo ready
cat >/dev/null
down
