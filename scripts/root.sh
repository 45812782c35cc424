#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: root.sh
#
# Leaves two small arm64 roots in build/root, from Debian's own packages:
#   busybox.cpio   a shell and its tools: every machine that boot.sh starts
#   qemu.cpio      QEMU, the libraries it is linked with and its firmware
# Nothing of the packages is executed here, so no emulation is needed.
# Each run of mmdebstrap starts over; the stamp is written last and names the
# recipe, so a half-done or outdated state is seen and done again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

SUITE=bookworm
PACKAGES=qemu-system-arm,busybox-static
QEMU=usr/bin/qemu-system-aarch64
APPLETS=(sh mount umount cat echo sleep poweroff reboot)

recipe() { sha256sum <"$ROOT/scripts/root.sh"; }

# apt_sources: the machine's own sources, as one-line entries
apt_sources() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' |
		awk -v suite="^$SUITE(-updates|-security)?\$" \
			'$2 ~ suite && !seen[$0]++ { print "deb", $0 }'
}

# The proxy of apt's configuration and of the environment, which sudo drops.
proxy_options() {
	local line
	if [ -n "${http_proxy:-}" ]; then
		printf -- '--aptopt=Acquire::http::Proxy "%s";\n' "$http_proxy"
	fi
	if [ -n "${https_proxy:-}" ]; then
		printf -- '--aptopt=Acquire::https::Proxy "%s";\n' "$https_proxy"
	fi
	apt-config dump --format '%f "%v";%n' |
		grep -E '^Acquire::https?::Proxy ' |
		while IFS= read -r line; do
			printf -- '--aptopt=%s\n' "$line"
		done || true
}

# download <tar>: a root with the packages unpacked, none configured
download() {
	local sources options
	sources=$(apt_sources)
	if [ -z "$sources" ]; then
		die "apt knows no source of $SUITE" \
			"add one to /etc/apt/sources.list.d and run 'apt-get update'"
	fi
	as_root "unpacking arm64 packages" true
	mapfile -t options < <(proxy_options)
	logged "$LOGDIR/root.log" "downloading the arm64 packages (no network, or a mirror without arm64?)" \
		as_root "unpacking arm64 packages" mmdebstrap --variant=extract --architectures=arm64 --format=tar \
		--include="$PACKAGES" "${options[@]}" "$SUITE" "$1" "$sources"
}

# needed <root> <file>: names of the shared objects that the file names
needed() { readelf -d "$1/$2" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# library <root> <name>: its path below the root
library() {
	local dir
	for dir in lib/aarch64-linux-gnu usr/lib/aarch64-linux-gnu lib; do
		if [ -e "$1/$dir/$2" ]; then
			echo "$dir/$2"
			return
		fi
	done
	die "$QEMU needs $2, which no package brought" \
		"remove ${ROOTS#"$ROOT"/} and run again" "$LOGDIR/root.log"
}

# closure <root> <file>: every library that the file needs, one path a line
closure() {
	local root=$1 queue=("$2") name path
	local -A seen=()
	while [ ${#queue[@]} -gt 0 ]; do
		path=${queue[0]}
		queue=("${queue[@]:1}")
		for name in $(needed "$root" "$path"); do
			if [ -z "${seen[$name]:-}" ]; then
				seen[$name]=$(library "$root" "$name")
				queue+=("${seen[$name]}")
			fi
		done
	done
	printf '%s\n' "${seen[@]}"
}

skeleton() {
	mkdir -p "$1"/{bin,dev,proc,root,run,sys,tmp,lib,usr/bin,usr/lib,usr/share}
}

make_busybox() {
	local from=$1 to=$2 applet
	skeleton "$to"
	cp "$from/bin/busybox" "$to/bin/"
	for applet in "${APPLETS[@]}"; do
		ln -s busybox "$to/bin/$applet"
	done
}

make_qemu() {
	local from=$1 to=$2 library
	skeleton "$to"
	cp -L "$from/$QEMU" "$to/$QEMU"
	# the loader has this path in the program's header
	cp -L "$from/lib/ld-linux-aarch64.so.1" "$to/lib/"
	closure "$from" "$QEMU" | while IFS= read -r library; do
		cp -L "$from/$library" "$to/lib/"
	done
	mkdir -p "$to/usr/lib/aarch64-linux-gnu" "$to/lib/aarch64-linux-gnu"
	mv "$to"/lib/*.so* "$to/lib/aarch64-linux-gnu/"
	mv "$to/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1" "$to/lib/"
}

build() {
	local work=$ROOTS.tmp
	rm -rf "$work"
	mkdir -p "$work/all" "$LOGDIR"
	need_disk 1 "$work" "the arm64 root"
	msg "downloading an arm64 QEMU and busybox ($SUITE)"
	download "$work/all.tar"
	tar -C "$work/all" -xf "$work/all.tar" --no-same-owner --exclude='./dev/*'
	make_busybox "$work/all" "$work/busybox"
	make_qemu "$work/all" "$work/qemu"
	archive "$work/busybox" "$work/busybox.cpio"
	archive "$work/qemu" "$work/qemu.cpio"
	rm -rf "$work/all" "$work/all.tar"
	recipe >"$work/stamp"
	rm -rf "$ROOTS"
	mv "$work" "$ROOTS"
	msg "arm64 root ready: $(du -h "$ROOTS/qemu.cpio" | cut -f 1) with QEMU, $(du -h "$ROOTS/busybox.cpio" | cut -f 1) without"
}

"$ROOT/scripts/deps.sh" build demo
in_lock "$BUILD/.root.lock"
if [ "$(cat "$ROOTS/stamp" 2>/dev/null)" != "$(recipe)" ]; then
	build
fi
