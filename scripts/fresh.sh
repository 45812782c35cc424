#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: fresh.sh bookworm|trixie COMMAND
#
# Runs a shell command in a clone of what is committed here, in a root of that
# release of Debian that holds nothing else: no package but apt's, make and git,
# no cache. What a newcomer has. The root is in build/fresh/<release>; the
# archive that it is unpacked from is kept for a day.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

suite=${1:-}
command=${2:-}
case $suite in
bookworm | trixie) ;;
*) die "fresh.sh: '$suite' is no release" "usage: fresh.sh bookworm|trixie COMMAND" ;;
esac
FRESH=$BUILD/fresh
root=$FRESH/$suite

make_archive() {
	local main security
	if [ -n "$(find "$root.tar" -mtime -1 2>/dev/null)" ]; then
		return
	fi
	main=$(mirror Debian)
	security=$(mirror Debian-Security)
	if [ -z "$main" ] || [ -z "$security" ]; then
		die "apt knows no mirror of Debian and its security updates" "see 'apt-get indextargets'; run 'apt-get update'"
	fi
	msg "a root of $suite, by mmdebstrap"
	logged "$LOGDIR/fresh-$suite.log" "mmdebstrap of $suite" as_root "making a root" \
		mmdebstrap --variant=minbase --include=ca-certificates,make,git "$suite" "$root.new.tar" \
		"deb $main $suite main" "deb $main $suite-updates main" "deb $security $suite-security main"
	mv "$root.new.tar" "$root.tar"
}

unpack() {
	as_root "unpacking a root" rm -rf "$root"
	mkdir -p "$root"
	as_root "unpacking a root" tar -C "$root" -xf "$root.tar" --exclude='./dev/*'
	as_root "unpacking a root" cp /etc/resolv.conf /etc/hosts "$root/etc/"
	as_root "unpacking a root" git -c safe.directory='*' clone -q "$ROOT" "$root/root/msi-iommu"
}

# Its mounts are its own and go with it
# shellcheck disable=SC2016
enter() {
	as_root "entering a root" unshare --mount env -i HOME=/root TERM=dumb ${PACE_GIVEN:+"PACE=$PACE_GIVEN"} \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash -euc 'mount --rbind /dev "$0/dev"; mount -t proc proc "$0/proc"
			mount --rbind /sys "$0/sys"
			exec chroot "$0" bash -euc "$1"' \
		"$root" "cd /root/msi-iommu; apt-get -q update >/dev/null; $1" </dev/null 9>&-
}

"$ROOT/scripts/deps.sh" demo
mkdir -p "$FRESH"
in_lock "$root.lock"
need_disk 12 "$FRESH" "a root of $suite and what is built in it"
make_archive
unpack
msg "in a root of $suite: $command"
enter "$command"
as_root "removing a root" rm -rf "$root"
msg "done in a root of $suite, after $SECONDS s"
