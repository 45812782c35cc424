#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [GIC=its|v2m] [IOMMU=smmuv3|virtio] [APERTURE=first-last] [BASE=1] demo.sh
#        [GIC=its|v2m] WINDOW=start|first-last [BASE=1] demo.sh
#        [GIC=its|v2m] IOMMU=smmuv1|smmuv2 [STAGE=1|2] [PAGES=4K|64K] demo.sh
#
# From a bare machine to a KVM guest that reads a passed-through NVMe disk, and
# a report of the doorbells that its interrupts took through the IOMMU. Every
# step does only what is not done yet.
#
# APERTURE: the host machine's kernel puts MSI windows there by default.
# WINDOW: no guest, but a user-space driver that moves the window of its own
# device there. BASE=1: the same with the unpatched kernel, which must fail.
# IOMMU=smmuv1 or smmuv2: registers in memory, see smmu.sh. No guest, but a
# user-space driver, and a walker that tells where messages lead. STAGE: which
# tables the driver uses; an SMMUv1 has stage 2 here. PAGES: the kernel's.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"
. "$(dirname "${BASH_SOURCE[0]}")/demo-args.sh"

demo_arguments
DISK=$BUILD/demo/disk.img
DISK_BYTES=$((16 * 1024 * 1024))
LIMIT=${DEMO_LIMIT:-240}	# seconds, the host machine altogether
LOG=$LOGDIR/demo-$name.log
HOST=$BUILD/demo/host-$name

# Random, and the same on every machine.
make_disk() {
	if [ "$(stat -c %s "$DISK" 2>/dev/null)" != "$DISK_BYTES" ]; then
		need_disk 1 "$BUILD/demo" "the disk image"
		python3 -c 'import random, sys
sys.stdout.buffer.write(random.Random("msi-iommu").randbytes(int(sys.argv[1])))' \
			"$DISK_BYTES" >"$DISK.tmp"
		mv "$DISK.tmp" "$DISK"
	fi
	sha256=$(sha256sum <"$DISK" | cut -d ' ' -f 1)
	msg "$((DISK_BYTES / 1024 / 1024)) MiB, sha256 ${sha256:0:16}..."
}

# What the host machine gets over its root: its script, beside the driver.
make_driver() {
	rm -rf "$HOST"
	mkdir -p "$HOST/root/demo"
	"$ROOT/scripts/programs.sh"
	cp "$BUILD/programs/root/demo/window-demo" "$HOST/root/demo/"
	cp "$ROOT/tools/boot/window-host" "$HOST/root/demo/host"
}

make_smmu() {
	rm -rf "$HOST"
	mkdir -p "$HOST/root/demo"
	"$ROOT/scripts/programs.sh"
	"$ROOT/scripts/programs.sh" modules "$profile"
	cp "$BUILD/programs/root/demo/smmu-demo" "$BUILD/programs/$profile/tests/msi_phys.ko" \
		"$HOST/root/demo/"
	cp "$ROOT/tools/boot/smmu-host" "$HOST/root/demo/host"
}

make_host() {
	rm -rf "$HOST"
	guest_root "$profile" "$HOST/root" "$HOST"
}

show_progress() { tell_progress 'demo: step \(.*\)' "$LOG"; }

# run_host <boot.sh's arguments for this form...>
run_host() {
	local status=0 boot shown=0
	: >"$LOG"
	"$ROOT/scripts/boot.sh" --profile "$profile" --gic "$GIC" --iommu "$IOMMU" "$@" \
		--add "$HOST/root" --log "$LOG" --timeout "$LIMIT" 2>"$HOST/boot.err" &
	boot=$!
	trap 'kill "$boot" 2>/dev/null || true' EXIT
	while kill -0 "$boot" 2>/dev/null; do
		show_progress
		sleep 0.2
	done
	wait "$boot" || status=$?
	trap - EXIT
	show_progress
	if [ "$status" -ne 0 ]; then
		die_status=$status explain
	fi
}
run_guest() {
	local version=3
	if [ "$GIC" = v2m ]; then
		version=2
	fi
	run_host --kvm --disk "$DISK" --run "sh /demo/host $version" \
		--append "${aperture:+msi_iommu.window=$aperture}"
}
run_window() { run_host --run "sh /demo/host ${window/-/ }"; }
run_smmu() { run_host --reboots --run "sh /demo/host" --append "arm-smmu.force_stage=$stage"; }

# What the host machine's script said went wrong, else what boot.sh saw.
explain() {
	local said seen
	said=$(sed -n 's/^demo: error //p' "$LOG" | head -n 1)
	seen=$(sed '/^ *full log: /d; s/^.*error: //; s/^ *//' "$HOST/boot.err" | paste -s -d ' ')
	die "${said:-$seen}" "${said:+$seen}" "$LOG"
}

report_guest() {
	"$ROOT/tools/boot/demo-report" -v gic="$GIC" -v iommu="$IOMMU" \
		-v bytes="$DISK_BYTES" -v sha256="$sha256" -v aperture="$aperture" \
		-v base="$base" "$LOG"
}
report_smmu() { "$ROOT/tools/boot/smmu-report" -v gic="$GIC" -v iommu="$IOMMU" -v stage="$stage" "$LOG"; }
report_window() { "$ROOT/tools/boot/window-report" -v gic="$GIC" -v base="$base" "$LOG"; }

report() {
	local status=0 text=$HOST/report base=0
	if [ "$profile" = vanilla ]; then
		base=1
	fi
	"report_$form" >"$text" || status=$?
	echo
	cat "$text"
	echo
	if [ "$status" -ne 0 ]; then
		die "the demo ran, but $(tail -n 1 "$text" | sed 's/^ *//')" \
			"all that is wrong is at the end of the report above" "$LOG"
	fi
}

mkdir -p "$LOGDIR" "$BUILD/demo"
in_lock "$HOST.lock"
steps 8
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel source"
"$ROOT/scripts/fetch.sh"
step "series"
"$ROOT/scripts/apply.sh"
step "arm64 kernel$(case $profile in vanilla) echo ", unpatched" ;; 64k) echo ", 64K pages" ;; esac)"
"$ROOT/scripts/build.sh" "$profile"
step "arm64 root with QEMU"
"$ROOT/scripts/root.sh"
case $form in
guest)
	step "disk image"
	make_disk
	step "host machine ($IOMMU, $GIC) and its KVM guest"
	make_host
	;;
window)
	step "user-space driver"
	make_driver
	step "host machine ($IOMMU, $GIC) and the driver"
	;;
smmu)
	step "user-space driver"
	make_smmu
	step "host machine ($IOMMU, $GIC), the driver, and a reboot"
	;;
esac
"run_$form"
step "report"
report
msg "all as it should be, after $SECONDS s; full log: ${LOG#"$ROOT"/}"
