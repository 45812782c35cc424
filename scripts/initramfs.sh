# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2153
#
# What root.sh, boot.sh, demo.sh, stress.sh, fuzz.sh and deb-boot.sh share. Source it
# after lib.sh.

ROOTS=$BUILD/root	# made by root.sh
FIRMWARE=/usr/share/qemu-efi-aarch64/QEMU_EFI.fd	# of UEFI, for arm64

# What no kernel may say
SPLATS='WARNING:|BUG:|kernel BUG|Oops|Internal error|Kernel panic|KASAN|UBSAN|SError'
SPLATS+='|possible recursive|lockdep|INFO: (task|rcu|possible)|rcu_.*detected|unreferenced object|Call trace'
# What a kernel with lockdep says when all is well
HARMLESS='RCU lockdep checking is enabled'

# guest_root <profile> <directory> <work> [<guest's script> [programs...]]: puts
# into <directory>/demo what a machine needs over its root for the demo's KVM guest:
# the host's script, the guest's kernel and the guest's root, with these programs.
# root.sh must have run.
guest_root() {
	local guest=$3/guest
	mkdir -p "$guest" "$2/demo"
	cp "$ROOT/tools/boot/${4:-demo-guest}" "$guest/init"
	if [ $# -gt 4 ]; then
		cp "${@:5}" "$guest/"
	fi
	archive "$guest" "$3/guest.cpio"
	cat "$ROOTS/busybox.cpio" "$3/guest.cpio" >"$2/demo/guest.cpio"
	cp "$KBUILD/$1/arch/arm64/boot/Image" "$2/demo/Image"
	cp "$ROOT/tools/boot/demo-host" "$2/demo/host"
}

# guest_qemu <release>: sets emulator, arguments for boot.sh, so that guests run by the QEMU
# of that Debian
guest_qemu() {
	emulator=()
	if [ "$1" != "$(os_field VERSION_CODENAME)" ]; then
		"$ROOT/scripts/root.sh" programs "qemu-$1"
		emulator=(--add "$BUILD/root-programs/qemu-$1")
	fi
}

# tell_progress <pattern> <log>: the progress that the program in the machine has
# told in its log since the last call, the group of the pattern of each line that it
# matches; counts the lines in shown.
tell_progress() {
	local line
	while IFS= read -r line; do
		shown=$((shown + 1))
		msg "$line"
	done < <(sed -n "s/\r*\$//; s/^$1\$/\1/p" "$2" | tail -n "+$((shown + 1))")
}

# archive <directory> <cpio>: an initramfs, the same bytes each time. Several
# of them one after the other are one initramfs, later files winning.
archive() {
	(cd "$1" && find . -mindepth 1 | sort |
		cpio --quiet -o -H newc --reproducible -R 0:0) >"$2"
}
