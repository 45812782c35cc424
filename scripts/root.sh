#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: root.sh
#        root.sh programs NAME...
#        root.sh unpack DIRECTORY PACKAGE...
#
# Leaves two small arm64 roots in build/root, from Debian's own packages:
#   busybox.cpio   a shell and its tools: every machine that boot.sh starts
#   qemu.cpio      QEMU, the libraries it is linked with and its firmware
# or, in build/root-programs/NAME, the programs of a name in PROGRAMS below and their
# libraries, or arm64 packages and what they need in a directory.
# No program of the packages is executed here, so no emulation is needed.
# Each run of mmdebstrap starts over; the stamp is written last and names the
# recipe, so a half-done or outdated state is seen and done again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"

SUITE=$(os_field VERSION_CODENAME)	# a Debian that deps.sh knows
PACKAGES=qemu-system-arm,busybox-static
QEMU=usr/bin/qemu-system-aarch64
DPDK_DRIVERS="usr/lib/aarch64-linux-gnu/dpdk/pmds-*/librte_net_e1000.so.?? usr/lib/aarch64-linux-gnu/dpdk/pmds-*/librte_mempool_ring.so.??"
APPLETS=(sh mount umount cat echo sleep poweroff reboot)

# By name: the release, its packages, and files below the root, which may be patterns
declare -A PROGRAMS=(
	[qemu-bookworm]="bookworm qemu-system-arm $QEMU"
	[qemu-trixie]="trixie qemu-system-arm $QEMU"	# knows iommufd
	[blocks]="bookworm qemu-utils usr/bin/qemu-img usr/bin/qemu-io"
	[kexec]="bookworm kexec-tools sbin/kexec"
	[dpdk]="bookworm dpdk-dev usr/bin/dpdk-testpmd $DPDK_DRIVERS"
	[l3fwd]="bookworm libdpdk-dev,dpdk-doc usr/bin/l3fwd-power $DPDK_DRIVERS"
)

recipe() { { cat "$ROOT/scripts/root.sh"; echo "$SUITE"; } | sha256sum; }

# apt_sources: the machine's own sources of its release, as one-line entries;
# they may name it in other words, as "stable"
apt_sources() {
	if [ "$SUITE" != "$(os_field VERSION_CODENAME)" ]; then
		# shellcheck disable=SC2016
		apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
			awk -v suite="$SUITE" '/ Debian Debian$/ && !seen[$1]++ { print "deb", $1, suite, "main" }'
		return
	fi
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' |
		awk -v suite="^$SUITE(-updates|-security)?\$" \
			'$1 ~ suite && !seen[$0]++ { $1 = "deb"; print }'
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

# download <tar>: a root with the packages unpacked, none configured. What
# mmdebstrap opens must have a number of one digit: dash knows no other.
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
		--include="$PACKAGES" "${options[@]}" "$SUITE" "$1" "$sources" 9>&-
}

# needed <root> <file>: names of the shared objects that the file names
needed() { readelf -d "$1/$2" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# found <root> <name> <directory...>: its path below the root, from the first of
# these that has it; since Debian 13 packages have everything in usr/
found() {
	local root=$1 name=$2 dir
	shift 2
	for dir; do
		if [ -e "$root/$dir/$name" ]; then
			echo "$dir/$name"
			return
		fi
	done
	die "no package brought $name" "remove ${ROOTS#"$ROOT"/} and run again" "$LOGDIR/root.log"
}
library() { found "$1" "$2" lib/aarch64-linux-gnu usr/lib/aarch64-linux-gnu lib usr/lib; }

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
	cp "$from/$(found "$from" busybox bin usr/bin)" "$to/bin/"
	for applet in "${APPLETS[@]}"; do
		ln -s busybox "$to/bin/$applet"
	done
}

make_qemu() {
	local from=$1 to=$2 library
	skeleton "$to"
	cp -L "$from/$QEMU" "$to/$QEMU"
	# the loader has this path in the program's header
	cp -L "$from/$(library "$from" ld-linux-aarch64.so.1)" "$to/lib/"
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

# make_programs <from> <to> <file...>
make_programs() {
	local from=$1 to=$2 file library
	shift 2
	mkdir -p "$to/lib/aarch64-linux-gnu"
	cp -L "$from/$(library "$from" ld-linux-aarch64.so.1)" "$to/lib/"
	# shellcheck disable=SC2068	# they may be patterns
	(cd "$from" && printf '%s\n' $@) | while IFS= read -r file; do
		mkdir -p "$to/${file%/*}"
		cp -L "$from/$file" "$to/$file"
		closure "$from" "$file" | while IFS= read -r library; do
			cp -L "$from/$library" "$to/lib/aarch64-linux-gnu/"
		done
	done
	rm -f "$to/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
}

# compile_l3fwd <root>: an example that Debian has as source only, by its own Makefile
compile_l3fwd() {
	local source=$1/usr/share/dpdk/examples/l3fwd-power
	"$ROOT/scripts/deps.sh" l3fwd
	PKG_CONFIG_SYSROOT_DIR=$1 PKG_CONFIG_LIBDIR=$1/usr/lib/aarch64-linux-gnu/pkgconfig \
		logged "$LOGDIR/l3fwd.log" "compiling l3fwd-power" \
		make -C "$source" "CC=aarch64-linux-gnu-gcc --sysroot=$1"
	cp "$source/build/l3fwd-power" "$1/usr/bin/"
}

# build_programs <name>
build_programs() {
	local to=$BUILD/root-programs/$1 files stamp
	stamp=${PROGRAMS[$1]:?}
	[ "$1" != l3fwd ] || stamp+=$(declare -f compile_l3fwd)
	read -r SUITE PACKAGES files <<<"${PROGRAMS[$1]:?}"
	[ "$(cat "$to.stamp" 2>/dev/null)" != "$stamp" ] || return 0
	msg "downloading $PACKAGES of arm64 ($SUITE)"
	rm -rf "$to" "$to.all"
	mkdir -p "$to" "$to.all"
	download "$to.all.tar"
	tar -C "$to.all" -xf "$to.all.tar" --no-same-owner --exclude='./dev/*'
	[ "$1" != l3fwd ] || compile_l3fwd "$to.all"
	make_programs "$to.all" "$to" "$files"
	rm -rf "$to.all" "$to.all.tar"
	echo "$stamp" >"$to.stamp"
}

"$ROOT/scripts/deps.sh" build demo
if [ "${1:-}" = programs ]; then
	in_lock "$BUILD/.root-programs.lock"
	for name in "${@:2}"; do
		build_programs "$name"
	done
	exit
fi
if [ "${1:-}" = unpack ]; then
	PACKAGES=$(IFS=,; echo "${*:3}")
	rm -rf "$2"
	mkdir -p "$2"
	download "$2.tar"
	tar -C "$2" -xf "$2.tar" --no-same-owner --exclude='./dev/*'
	rm "$2.tar"
	exit
fi
in_lock "$BUILD/.root.lock"
if [ "$(cat "$ROOTS/stamp" 2>/dev/null)" != "$(recipe)" ]; then
	build
fi
