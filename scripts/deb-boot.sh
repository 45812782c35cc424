#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: deb-boot.sh [DIRECTORY]
#
# Installs the packages of make deb, made from a small configuration, in a Debian 13
# for arm64, on a disk with an EFI system partition, and boots that as distributions
# do: UEFI firmware, GRUB, an initramfs, systemd; ACPI describes the machine and its
# SMMUv3. tools/boot/deb-stage says what is looked at there: the kernel, lsmsi, and the
# selftests that a package brought. Then the kernel's package is removed, and Debian's
# own kernel boots again.
#
# Nothing of arm64 runs on this machine: the packages are configured in the machine,
# too, before its first boot. Logs go to a directory, build/deb-boot if none is named.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

OUT=$BUILD/deb-boot
LOGS=${1:-$OUT}
SUITE=trixie
PACKAGES=systemd-sysv,udev,kmod,initramfs-tools,grub-efi-arm64,linux-image-cloud-arm64,e2fsprogs
ESP_AT=1 ESP_SIZE=64 SIZE=3072	# MiB

# The root with all packages unpacked, and the packages, to be installed over it
make_root() {
	local recipe main
	recipe="$SUITE $PACKAGES"
	[ "$recipe" != "$(cat "$OUT/root.stamp" 2>/dev/null)" ] || return 0
	main=$(mirror Debian)
	[ -n "$main" ] ||
		die "apt knows no mirror of Debian" "see 'apt-get indextargets'; run 'apt-get update'"
	rm -rf "$OUT/root.stamp" "$OUT/debs"
	mkdir -p "$OUT/debs"
	# shellcheck disable=SC2016	# $1 is the hook's
	logged "$LOGS/mmdebstrap.log" "mmdebstrap of $SUITE" as_root "making a root" \
		mmdebstrap --variant=extract --architectures=arm64 --format=tar \
		--include='?essential' --include="$PACKAGES" \
		--extract-hook="cp \"\$1\"/var/cache/apt/archives/*.deb '$OUT/debs/'" \
		"$SUITE" "$OUT/root.tar" "deb $main $SUITE main"
	echo "$recipe" >"$OUT/root.stamp"
}

unpack_root() {
	local root=$OUT/root
	as_root "unpacking a root" rm -rf "$root"
	mkdir "$root"
	as_root "unpacking a root" tar -C "$root" -xf "$OUT/root.tar" --exclude='./dev/*'
	as_root "unpacking a root" mkdir -p "$root/packages/ours" "$root/boot/efi"
	as_root "unpacking a root" cp "$OUT"/debs/*.deb "$root/packages/"
	as_root "unpacking a root" \
		cp "$BUILD"/deb/{linux-image,lsmsi,iommu-msi-tests}*.deb "$root/packages/ours/"
	echo "$PACE" | as_root "unpacking a root" tee "$root/packages/pace" >/dev/null
	as_root "unpacking a root" install -m 755 "$ROOT/tools/boot/deb-stage" "$root/"
}

make_disk() {
	local disk=$OUT/disk first=$((ESP_AT + ESP_SIZE))
	rm -f "$disk"
	truncate -s "${SIZE}M" "$disk"
	sfdisk -q "$disk" <<-TABLE
		label: gpt
		start=${ESP_AT}MiB, size=${ESP_SIZE}MiB, type=uefi
		start=${first}MiB, type=linux
	TABLE
	mkfs.vfat -F 16 -n ESP --offset "$((ESP_AT * 2048))" "$disk" "$((ESP_SIZE * 1024))"
	as_root "writing a file system" mke2fs -q -t ext4 -L root -d "$OUT/root" \
		-E "offset=$((first * 1024 * 1024))" "$disk" "$((SIZE - first - 1))M"
	as_root "removing a root" rm -rf "$OUT/root"
}

# The machine's time counts its instructions, see boot.sh
# shellcheck disable=SC2054	# the comma is QEMU's
clock=(-icount shift=0,sleep=on -smp 2)

# machine <what> <seconds> [<arguments of QEMU>...]: runs it, and looks at what it said
machine() {
	local log=$LOGS/$1.log limit status=0 splat
	limit=$(paced "$2")
	timeout -k 5 "$limit" qemu-system-aarch64 -M virt,iommu=smmuv3,gic-version=3 -cpu max \
		-m 1G -nodefaults -display none -no-reboot -monitor none \
		-serial stdio -drive "if=none,id=root,format=raw,cache=unsafe,file=${OUT//,/,,}/disk" \
		-device virtio-blk-pci,addr=1,drive=root,romfile= -device edu,addr=2 \
		-drive "if=none,id=disk,format=raw,cache=unsafe,file=${OUT//,/,,}/nvme" \
		-device nvme,addr=3,drive=disk,serial=msi "${@:3}" >"$log" 2>&1 </dev/null || status=$?
	sed -i 's/\r*$//' "$log"
	splat=$(grep -a '^\[ *[0-9.]*\] ' "$log" | grep -a -E "$SPLATS" |
		grep -a -v -m 1 -E "$HARMLESS" || true)
	[ -z "$splat" ] || die "$1: the kernel complained" "$splat" "$log"
	grep -aqx "deb-stage: $1: all is well" "$log" ||
		die "$1: it did not end well (QEMU: status $status of $limit s)" \
			"$(grep -a '^deb-stage: ' "$log" | tail -n 1)" "$log"
}

"$ROOT/scripts/deps.sh" build demo deb
in_lock "$OUT.lock"
need_disk 6 "$OUT" "a Debian on a disk"
mkdir -p "$OUT" "$LOGS"
steps 5
step "packages of a small kernel"
CONFIG="$ROOT/configs/base.config $ROOT/configs/deb.config" "$ROOT/scripts/deb.sh" 9>&-
step "Debian 13 on a disk"
measure_pace
make_root
unpack_root
logged "$LOGS/disk.log" "making a disk" make_disk
truncate -s 64M "$OUT/nvme"
step "installing the packages"
machine configure 900 -accel tcg,thread=multi -smp 2 \
	-kernel "$BUILD/deb/objects/arch/arm64/boot/Image" \
	-append "console=ttyAMA0 root=/dev/vda2 rw init=/deb-stage panic=-1"
step "UEFI, GRUB, the series' kernel"
machine ours 600 "${clock[@]}" -bios "$FIRMWARE"
sed -n 's/^deb-stage: ours: | /  /p' "$LOGS/ours.log"
step "Debian's kernel again"
machine debian 600 "${clock[@]}" -bios "$FIRMWARE"
rm -f "$OUT/disk" "$OUT/nvme"
msg "installed, booted, removed, after $SECONDS s; logs: ${LOGS#"$ROOT"/}"
