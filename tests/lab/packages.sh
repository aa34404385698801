#!/bin/sh
# Installs the Debian packages that the lab needs and that are missing; with the argument `nodes` also those that
# real nodes are made of. Says what it does; needs root only if something is missing. Starts no service.
# `packages.sh bgp`: the routers of the BGP tests, unpacked into the lab's cache.
set -eu

[ "${1:-}" != bgp ] || exec "$(dirname "$0")/packages_bgp.sh"

missing=
need() { # need COMMAND-OR-FILE PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
PATH=$PATH:/usr/sbin:/sbin
need ip iproute2
need unshare util-linux
need setpriv util-linux
need openssl openssl
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
unpack= # Packages that are not installed: containerd would start a daemon, busybox-static replace another package.
if [ "${1:-}" = nodes ]; then
    need runc runc
    need /usr/lib/cni/bridge containernetworking-plugins
    need nft nftables
    need iptables iptables # the portmap plugin's
    need conntrack conntrack
    need buildah buildah
    need debootstrap debootstrap
    unpacked=${XDG_CACHE_HOME:-$HOME/.cache}/metalpy-lab/unpacked
    [ -e "$unpacked" ] || unpack='containerd busybox-static'
fi

[ -n "$missing$unpack" ] || exit 0
echo "== Debian packages:$missing${unpack:+, only unpacked: $unpack} =="
if [ -n "$missing" ] && [ "$(id -u)" != 0 ]; then
    echo "not root: install them first: apt-get install$missing" >&2
    exit 1
fi
[ "$(id -u)" != 0 ] || apt-get update -qq
if [ -n "$missing" ]; then
    policy=/usr/sbin/policy-rc.d # what keeps invoke-rc.d from starting what was just installed
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi
if [ -n "$unpack" ]; then
    mkdir -p "$(dirname "$unpacked")"
    whole=$(mktemp -d "$unpacked.XXXXXX")
    chmod 755 "$whole"
    # shellcheck disable=SC2086 # a list of names
    (cd "$whole" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" $unpack)
    for package in "$whole"/*.deb; do
        dpkg -x "$package" "$whole"
        rm "$package"
    done
    mv "$whole" "$unpacked"
fi
