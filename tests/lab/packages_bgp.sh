#!/bin/sh
# Gets the routers of the BGP tests (FRR, BIRD, gobgpd 3) as Debian packages with the libraries they need, and unpacks
# them into the lab's cache. They are not installed: installing them starts routing daemons on the machine.
set -eu

root=${XDG_CACHE_HOME:-$HOME/.cache}/metalpy-lab/debian-bgp
runs() { # runs DIRECTORY: whether everything in it starts on this machine
    libraries=$(find "$1/usr/lib" -maxdepth 1 -name '*-linux-*' | head -n 1)
    export LD_LIBRARY_PATH="$libraries/frr:$libraries"
    for program in lib/frr/zebra lib/frr/bgpd lib/frr/bfdd sbin/bird bin/gobgpd; do
        "$1/usr/$program" --version >/dev/null 2>&1 || return 1
    done
    unset LD_LIBRARY_PATH
}

mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
[ ! -d "$root" ] || ! (runs "$root") || exit 0
work=$(mktemp -d "$root.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
fi
packages=$(apt-get install --simulate --no-install-recommends frr bird2 gobgpd | awk '$1 == "Inst" { print $2 }')
# What is installed already is not in that list; the daemons themselves are unpacked in any case.
packages=$(printf '%s\n' $packages frr bird2 gobgpd | sort -u | tr '\n' ' ')
echo "== Debian packages, unpacked into $root: $packages=="
# shellcheck disable=SC2086 # a list of names
apt-get download -qq $packages
for package in *.deb; do
    dpkg -x "$package" root
done
(runs "$work/root") || {
    echo "the routers do not start from $work/root: look with LD_LIBRARY_PATH set as in $0" >&2
    trap - EXIT
    exit 1
}
rm -rf "$root"
mv root "$root"
