#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: boot.sh --profile P [options] --run COMMAND --log FILE --timeout SECONDS
#        boot.sh --profile P [options] --shell
#
# Boots build/<version>/<profile>'s kernel on QEMU's arm64 virt machine.
#
#   --gic its|v2m               MSI controller (its)
#   --iommu smmuv3|virtio|none  IOMMU (smmuv3)
#   --iommu smmuv1|smmuv2       one whose registers are memory, see smmu.sh
#   --smp N  --mem SIZE         CPUs (2), memory (1G)
#   --threads                   the CPUs run at the same time, see below
#   --one-thread                they take turns, but time is the host's
#   --kvm                       the machine has EL2, and a QEMU in its root
#   --disk IMAGE                content of the NVMe disk; writes are dropped
#   --add DIRECTORY             copied over the machine's root, any number
#   --device ARGUMENT           one more -device for QEMU, any number
#   --netdev ARGUMENT           one more -netdev for QEMU, any number
#   --fdt 'OPTION ARGUMENTS'    one change of the machine's device tree, by
#                               fdtput, any number
#   --qmp PIPE                  QEMU's monitor, by QMP on the pipes PIPE.in and .out
#   --acpi                      UEFI firmware starts the kernel, and describes the
#                               machine to it by ACPI; not with --fdt
#   --append WORDS              added to the kernel's command line, any number
#   --counted                   one CPU, and no time passes while it idles
#   --reboots                   QEMU goes on when the machine reboots
#   --run COMMAND               shell command in the machine
#   --log FILE                  all that the machine and QEMU say
#   --timeout SECONDS           the machine is killed after that time, times PACE
#
# The machine has an edu device at PCI 00:02.0 and an NVMe disk at 00:03.0.
# Status 0 only if COMMAND ended with 0, no memory leaked, and the log holds
# neither a warning nor anything worse: a hang, a panic and a splat all fail.
# Status 124 if the time was over.
#
# The machine's time counts the instructions of its CPUs, which take turns: 1,000
# a microsecond. When it idles, time is the host's. So what a time limit in the
# machine allows does not depend on how busy the host is. With --threads its CPUs
# run at the same time, which is what finds races, and time is the host's.
#
# On a slow host everything has more time, by PACE (see lib.sh): the machine, what
# its kernel takes for a hang, and the programs in it, which find it in their
# environment.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"
. "$(dirname "${BASH_SOURCE[0]}")/smmu.sh"

profile='' gic=its iommu=smmuv3 smp=2 mem=1G kvm='' disk='' append='' clock=instructions
command='' log='' limit='' shell='' qmp='' acpi=''
adds=() devices=() netdevs=() changes=() no_reboot=(-no-reboot)

# --- arguments ---------------------------------------------------------------

usage() { die "boot.sh: $1" "the options are at the head of scripts/boot.sh"; }

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--kvm) kvm=1; shift; continue ;;
		--acpi) acpi=1; shift; continue ;;
		--threads | --one-thread | --counted) clock=${1#--}; shift; continue ;;
		--shell) shell=1; shift; continue ;;
		--reboots) no_reboot=(); shift; continue ;;
		--*) ;;
		*) usage "unexpected argument '$1'" ;;
		esac
		[ $# -ge 2 ] || usage "$1 needs a value"
		case $1 in
		--profile) profile=$2 ;;
		--gic) gic=$2 ;;
		--iommu) iommu=$2 ;;
		--smp) smp=$2 ;;
		--mem) mem=$2 ;;
		--disk) disk=$2 ;;
		--add) adds+=("$2") ;;
		--device) devices+=("$2") ;;
		--netdev) netdevs+=("$2") ;;
		--fdt) changes+=("$2") ;;
		--qmp) qmp=$2 ;;
		--append) append+=" $2" ;;
		--run) command=$2 ;;
		--log) log=$2 ;;
		--timeout) limit=$2 ;;
		*) usage "unknown option '$1'" ;;
		esac
		shift 2
	done
}

check_arguments() {
	local dir
	[ -n "$profile" ] || usage "--profile is missing"
	case $gic in its | v2m) ;; *) usage "--gic is '$gic', not its or v2m" ;; esac
	case $iommu in
	smmuv1 | smmuv2 | smmuv3 | virtio | none) ;;
	*) usage "--iommu is '$iommu', not smmuv1, smmuv2, smmuv3, virtio or none" ;;
	esac
	for dir in "${adds[@]}"; do
		[ -d "$dir" ] || usage "--add: no directory $dir"
	done
	if [ -n "$disk" ] && [ ! -r "$disk" ]; then
		usage "--disk: cannot read $disk"
	fi
	if [ -n "$qmp" ] && { [ ! -p "$qmp.in" ] || [ ! -p "$qmp.out" ]; }; then
		usage "--qmp: $qmp.in and $qmp.out are not pipes"
	fi
	if [ -n "$acpi" ]; then
		[ ${#changes[@]} -eq 0 ] || usage "--fdt: with --acpi there is no device tree"
		! smmu_in_memory "$iommu" || usage "--iommu $iommu is in the device tree alone"
		[ -r "$FIRMWARE" ] || usage "--acpi: there is no $FIRMWARE, of qemu-efi-aarch64"
	fi
	if [ -z "$shell" ]; then
		[ -n "$command" ] || usage "--run or --shell is missing"
		[ -n "$log" ] || usage "--log is missing"
		[ -n "$limit" ] || usage "--timeout is missing"
	fi
	image=$KBUILD/$profile/arch/arm64/boot/Image
	if [ ! -e "$image" ]; then
		die "there is no kernel of profile '$profile'" "make kernel PROFILE=$profile"
	fi
}

# --- the machine -------------------------------------------------------------

make_initramfs() {
	local overlay=$work/overlay dir parts=("$ROOTS/busybox.cpio")
	mkdir -p "$overlay"
	cp "$ROOT/tools/boot/init" "$overlay/init"
	if [ -z "$shell" ]; then
		printf 'export PACE=%s\n%s\n' "$PACE" "$command" >"$overlay/command"
	fi
	for dir in "${adds[@]}"; do
		cp -R "$dir/." "$overlay/"
	done
	archive "$overlay" "$work/overlay.cpio"
	if [ -n "$kvm" ]; then
		parts+=("$ROOTS/qemu.cpio")
	fi
	cat "${parts[@]}" "$work/overlay.cpio" >"$work/initramfs"
	rm -rf "$overlay" "$work/overlay.cpio"
}

machine_type() {
	local type=virt
	case $gic in
	its) type+=,gic-version=3,its=on ;;
	v2m) type+=,gic-version=2 ;;
	esac
	if [ "$iommu" = smmuv3 ]; then
		type+=,iommu=smmuv3
	fi
	if [ -n "$kvm" ]; then
		type+=,virtualization=on
	fi
	echo "$type"
}

kernel_command_line() {
	local line='console=ttyAMA0 earlycon panic_on_warn=1 oops=panic panic=-1'
	line+=" rcupdate.rcu_cpu_stall_timeout=$((PACE < 5 ? 60 * PACE : 300))"
	if configured SOFTLOCKUP_DETECTOR; then
		line+=" watchdog_thresh=$((PACE < 6 ? 10 * PACE : 60))"
	fi
	if configured DETECT_HUNG_TASK; then
		line+=" sysctl.kernel.hung_task_timeout_secs=$(paced 60)"
	fi
	if smmu_in_memory "$iommu"; then
		# The host's own devices cannot do without translation that is not there
		line+=' iommu.passthrough=1'
	fi
	line+=" nvme_core.io_timeout=$(paced 30) nvme_core.admin_timeout=$(paced 60)"
	if [ "$gic" = v2m ]; then
		# GICv2m does not isolate the interrupts of devices
		line+=' vfio_iommu_type1.allow_unsafe_interrupts=1 iommufd.allow_unsafe_interrupts=1'
	fi
	echo "$line$append"
}

# sets the array qemu; its commas are QEMU's
# shellcheck disable=SC2054
qemu_arguments() {
	local device netdev
	if [ -z "$disk" ]; then
		disk=$work/disk
		truncate -s 16M "$disk"
	fi
	if [ "$clock" = counted ]; then
		smp=1
	fi
	qemu=(qemu-system-aarch64 -M "$(machine_type)" -cpu max -smp "$smp" -m "$mem"
		-nodefaults -display none "${no_reboot[@]}"
		-kernel "$image" -initrd "$work/initramfs"
		-append "$(kernel_command_line)")
	if [ -n "$acpi" ]; then
		qemu+=(-bios "$FIRMWARE")
	fi
	if [ "$iommu" = virtio ]; then
		qemu+=(-device virtio-iommu-pci,addr=1)
	fi
	if smmu_in_memory "$iommu"; then
		smmu_registers "$iommu" "$work/registers"
		smmu_nodes "$iommu"
		qemu+=(-device "loader,file=${work//,/,,}/registers,addr=$SMMU_AT,force-raw=on")
	fi
	qemu+=(-device edu,addr=2
		-drive "if=none,id=disk,format=raw,snapshot=on,file=${disk//,/,,}"
		-device nvme,addr=3,drive=disk,serial=msi,max_ioqpairs=64,msix_qsize=2048)
	for netdev in "${netdevs[@]}"; do
		qemu+=(-netdev "$netdev")
	done
	for device in "${devices[@]}"; do
		qemu+=(-device "$device")
	done
	if [ -n "$qmp" ]; then
		qemu+=(-qmp "pipe:$qmp")
	fi
	case $clock in
	instructions) qemu+=(-icount 'shift=0,sleep=on') ;;
	counted) qemu+=(-icount 'shift=0,sleep=off') ;;
	one-thread) qemu+=(-accel tcg,thread=single) ;;
	esac
	if [ ${#changes[@]} -gt 0 ]; then
		change_tree "$work/machine.dtb"
		qemu+=(-dtb "$work/machine.dtb")
	fi
}

# change_tree <file>: the machine's device tree, with what was asked for
change_tree() {
	local change words
	"${qemu[@]}" -machine "dumpdtb=$1" >"$work/fdt.log" 2>&1 ||
		die "QEMU does not write its device tree" "$(tail -n 1 "$work/fdt.log")"
	for change in "${changes[@]}"; do
		read -ra words <<<"$change"
		fdtput "${words[0]}" "$1" "${words[@]:1}" >>"$work/fdt.log" 2>&1 ||
			die "--fdt '$change' is not for this machine" "$(tail -n 1 "$work/fdt.log")"
	done
}

cleanup() {
	if [ -n "${pid:-}" ]; then
		kill "$pid" 2>/dev/null || true
	fi
	rm -rf "$work"
}

# --- verdict -----------------------------------------------------------------

last_line() { grep -av '^qemu-system-aarch64: terminating' "$log" | grep -av '^$' | tail -n 1; }
fail() { die "the machine ${profile}/${gic}/${iommu}: $1" "${2:-}" "$log"; }
configured() { grep -q "^CONFIG_$1=y" "$KBUILD/$profile/.config"; }

# What /init found, or else what the command said last.
last_words() {
	grep -a -E '^init: (kmemleak has given up|the kernel is tainted)' "$log" ||
		grep -a -B 1 -m 1 '^init: the command ended' "$log" | head -n 1
}

judge() {
	local status=$1 result splat die_status=1
	splat=$(grep -a -E "$SPLATS" "$log" | grep -a -v -m 1 -E "$HARMLESS" || true)
	if [ -n "$splat" ]; then
		fail "the kernel complained" "$splat"
	fi
	if [ "$status" -eq 124 ] || { [ "$status" -eq 137 ] && [ "$took" -ge "$limit" ]; }; then
		die_status=124
		fail "it did not end within $limit s" "its last line: $(last_line)"
	fi
	result=$(sed -n 's/^MSI-IOMMU-RESULT: \([0-9]*\)$/\1/p' "$log")
	case $result in
	0) ;;
	'') fail "it ended without a result (QEMU: status $status)" "its last line: $(last_line)" ;;
	*) fail "the command or what followed it failed (status $(head -n 1 <<<"$result"))" "$(last_words)" ;;
	esac
	if [ "$status" -ne 0 ]; then
		fail "QEMU ended with status $status" "$(last_line)"
	fi
	if configured DEBUG_KMEMLEAK && ! grep -aq '^init: no memory leaked$' "$log"; then
		fail "nobody has looked for leaks" "its kernel has kmemleak"
	fi
}

run() {
	local status=0 began took
	mkdir -p "$(dirname "$log")"
	limit=$(paced "$limit")
	began=$SECONDS
	timeout -k 5 "$limit" "${qemu[@]}" -monitor none -serial stdio \
		>"$log" 2>&1 </dev/null &
	pid=$!
	wait "$pid" || status=$?
	pid=''
	took=$((SECONDS - began))
	sed -i 's/\r*$//' "$log"
	judge "$status"
}

parse "$@"
if [ -n "$shell" ]; then
	kvm=1 clock=threads
fi
check_arguments
measure_pace
"$ROOT/scripts/root.sh"
work=$(mktemp -d "$BUILD/boot.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
make_initramfs
qemu_arguments
if [ -n "$shell" ]; then
	msg "Ctrl-A X leaves the machine"
	"${qemu[@]}" -serial mon:stdio
else
	run
fi
