#!/bin/sh
# Installs the Debian packages that the lab needs and that are missing. Says what it does; needs root only if
# something is missing. `packages.sh bgp`: the routers of the BGP tests, unpacked into the lab's cache.
set -eu

[ "${1:-}" != bgp ] || exec "$(dirname "$0")/packages_bgp.sh"

missing=
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
PATH=$PATH:/usr/sbin:/sbin
need ip iproute2
need unshare util-linux
need setpriv util-linux
need openssl openssl
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0
echo "== Debian packages:$missing =="
if [ "$(id -u)" != 0 ]; then
    echo "not root: install them first: apt-get install$missing" >&2
    exit 1
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
