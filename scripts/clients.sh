#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: QEMU=<source tree> [PYTHON=<program>] clients.sh
#
# A VMM that moves the window: applies tools/clients/qemu to a copy of QEMU 10.0's
# source, builds it for arm64, and has it run the demo's KVM guest, with a passed-through
# disk and with memory where MSIs have their window by default. And what must fail.
#
# `apt-get source qemu` on Debian 13 gives that source. Its build wants meson 1.5, which
# Debian 12 does not have: PYTHON is a Python 3 that has it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"

OUT=$BUILD/clients
SOURCE=$OUT/qemu OBJECTS=$OUT/objects SYSROOT=$OUT/sysroot
LIBRARIES=(libc6-dev libfdt-dev libglib2.0-dev zlib1g-dev)
PATCHED=("$ROOT"/tools/clients/qemu/*.patch)
LIMIT=240	# seconds, a machine
WINDOW=0x48000000-0x480fffff	# among the devices of a guest with ram-at-zero
MOVED=,ram-at-zero=on,msi-window=$WINDOW

state() {
	realpath "$QEMU"
	cat "$QEMU/VERSION" "${PATCHED[@]}" "$ROOT/scripts/clients.sh"
}

configure() {
	export PKG_CONFIG=pkg-config CC="ccache aarch64-linux-gnu-gcc"
	export PKG_CONFIG_SYSROOT_DIR=$SYSROOT
	export PKG_CONFIG_LIBDIR=$SYSROOT/usr/lib/aarch64-linux-gnu/pkgconfig:$SYSROOT/usr/share/pkgconfig
	printf 'CONFIG_%s=y\n' ARM_VIRT VFIO_PCI IOMMUFD >"$SOURCE/configs/devices/aarch64-softmmu/msi-window.mak"
	mkdir -p "$OBJECTS"
	cd "$OBJECTS"
	"$SOURCE/configure" --cross-prefix=aarch64-linux-gnu- ${PYTHON:+"--python=$PYTHON"} \
		--target-list=aarch64-softmmu --without-default-features --without-default-devices \
		--with-devices-aarch64=msi-window --enable-kvm --disable-tcg --enable-fdt=system \
		--disable-debug-info --disable-download --disable-docs --disable-tools --disable-install-blobs \
		--extra-cflags="--sysroot=$SYSROOT" --extra-ldflags="--sysroot=$SYSROOT"
}

build() {
	local patch
	rm -rf "$SOURCE" "$OBJECTS"
	mkdir -p "$SOURCE"
	tar -C "$QEMU" --exclude=./.git --exclude=./build -cf - . | tar -C "$SOURCE" -xf -
	for patch in "${PATCHED[@]}"; do
		patch -d "$SOURCE" -p1 -F0 <"$patch" || die "${patch##*/} does not apply to $QEMU"
	done
	"$ROOT/scripts/root.sh" unpack "$SYSROOT" "${LIBRARIES[@]}"
	(configure)
	ninja -C "$OBJECTS" qemu-system-aarch64
}

# guest <name> <the host's environment>: boots the host with it; sets status and log
guest() {
	log=$LOGDIR/clients-$1.log status=0
	"$ROOT/scripts/boot.sh" --profile base --kvm --disk "$OUT/disk" --add "$OUT/host/root" \
		--run "GUEST_MIB=256 $2 sh /demo/host 3" --log "$log" --timeout "$LIMIT" \
		2>"$OUT/error" || status=$?
}

row() { printf '%-16s %-34s %-23s %s\n' "$@" >>"$OUT/table"; }

# said <pattern>: whether the host's machine has said it
said() { tr -d '\r' <"$log" | grep -aqE "^$1"; }

# works <name> <environment>: the guest has memory over the default window, reads the
# whole disk by its interrupts, and its doorbell is in the window that was asked for
works() {
	local iova
	guest "$@"
	if [ "$status" -ne 0 ]; then
		die_status=$status die "the guest did not run: $1" "$(tail -n 1 "$OUT/error")" "$log"
	fi
	said 'demo: guest ram 00000000-0fffffff ' || die "$1: no memory at 0x8000000" "" "$log"
	said "demo: guest sha256 $sha256\$" || die "$1: the disk was not read right" "" "$log"
	said 'demo: guest irq .* nvme0q2$' || die "$1: the disk's queues have no interrupts" "" "$log"
	if ! said 'demo: after end$' || said 'demo: after doorbell '; then
		die "$1: doorbells are left" "" "$log"
	fi
	iova=$(tr -d '\r' <"$log" | sed -n 's/^demo: live doorbell [0-9]* [0-9a-fx]* \([0-9a-fx]*\) .*/\1/p')
	if ! ((iova >= ${WINDOW%-*} && iova <= ${WINDOW#*-})); then
		die "$1: the doorbell is at '$iova'" "not in $WINDOW" "$log"
	fi
	row "$1" "memory 0x0-0xfffffff, window moved" "doorbell at $(printf '%#x' "$iova")" "disk read"
}

# fails <name> <what it is> <environment> <what QEMU says, a pattern>
fails() {
	guest "$1" "$3"
	if [ "$status" -eq 0 ]; then
		die "the guest ran: $1" "it must not" "$log"
	fi
	if ! said "guest[|] qemu-system-aarch64: .*$4"; then
		die_status=$status die "the guest failed for another reason: $1" "expected: $4" "$log"
	fi
	row "$1" "$2" "" "refused"
}

[ -n "${QEMU:-}" ] || die "QEMU is not set" "make clients QEMU=<source tree of QEMU 10.0>"
[ -e "$QEMU/hw/vfio/container.c" ] || die "QEMU=$QEMU is no source tree of QEMU 10.0" \
	"'apt-get source qemu' on Debian 13 gives one"
in_lock "$OUT.lock"
mkdir -p "$OUT" "$LOGDIR"
rm -f "$OUT/table"
steps 5
step "packages"
"$ROOT/scripts/deps.sh" build demo clients
step "arm64 kernel"
"$ROOT/scripts/build.sh" base
step "arm64 root"
"$ROOT/scripts/root.sh"
step "QEMU, $(cat "$QEMU/VERSION") with ${#PATCHED[@]} patches"
if [ "$(state | sha256sum)" != "$(cat "$OUT/built" 2>/dev/null)" ]; then
	logged "$LOGDIR/clients-qemu.log" "building QEMU" build
	state | sha256sum >"$OUT/built"
fi
step "host machines and their KVM guests"
guest_root base "$OUT/host/root" "$OUT/host"
mkdir -p "$OUT/host/root/usr/bin"
aarch64-linux-gnu-strip -o "$OUT/host/root/usr/bin/qemu-system-aarch64" "$OBJECTS/qemu-system-aarch64"
head -c 16777216 /dev/urandom >"$OUT/disk"
sha256=$(sha256sum <"$OUT/disk" | cut -d ' ' -f 1)
works type1 "MACHINE=$MOVED"
works iommufd "MACHINE=$MOVED IOMMUFD=1"
fails type1-default "memory, window not moved" MACHINE=,ram-at-zero=on 'Region mach-virt.ram: .*Invalid argument'
fails iommufd-default "memory, window not moved" 'MACHINE=,ram-at-zero=on IOMMUFD=1' 'Region mach-virt.ram: .*Invalid argument'
fails in-memory "window in the guest's memory" MACHINE=,ram-at-zero=on,msi-window=0x8000000-0x80fffff "meets the guest's RAM"
fails in-plugged "window where memory can be plugged" 'GUEST_MIB=256,slots=1,maxmem=1G MACHINE=,msi-window=0x80000000-0x800fffff' "meets the guest's RAM"
fails malformed "no range" MACHINE=,msi-window=0x8000000 'msi-window is <first>-<last>'
fails unaligned "not made of pages" 'MACHINE=,msi-window=0x8000100-0x80fffff IOMMUFD=1' 'cannot set msi-window .*Invalid argument'
echo
cat "$OUT/table"
echo
msg "all as it should be, after $SECONDS s"
