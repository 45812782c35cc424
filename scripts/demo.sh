#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [GIC=its|v2m] [IOMMU=smmuv3|virtio] demo.sh
#
# From a bare machine to a KVM guest that reads a passed-through NVMe disk, and
# a report of the doorbells that its interrupts took through the IOMMU. Every
# step does only what is not done yet.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

GIC=${GIC:-its} IOMMU=${IOMMU:-smmuv3}
DISK=$BUILD/demo/disk.img
DISK_BYTES=$((16 * 1024 * 1024))
LIMIT=${DEMO_LIMIT:-240}	# seconds, the host machine altogether
LOG=$LOGDIR/demo-$GIC-$IOMMU.log
HOST=$BUILD/demo/host-$GIC-$IOMMU

check_arguments() {
	case $GIC in its | v2m) ;; *) die "GIC=$GIC is not known" "GIC=its or GIC=v2m" ;; esac
	case $IOMMU in smmuv3 | virtio) ;; *) die "IOMMU=$IOMMU is not known" "IOMMU=smmuv3 or IOMMU=virtio" ;; esac
}

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

# What the host machine gets over its root: its script, the guest's kernel and
# the guest's root.
make_host() {
	local guest=$HOST/guest
	rm -rf "$HOST"
	mkdir -p "$guest" "$HOST/root/demo"
	cp "$ROOT/tools/boot/demo-guest" "$guest/init"
	archive "$guest" "$HOST/guest.cpio"
	cat "$ROOTS/busybox.cpio" "$HOST/guest.cpio" >"$HOST/root/demo/guest.cpio"
	cp "$KBUILD/base/arch/arm64/boot/Image" "$HOST/root/demo/Image"
	cp "$ROOT/tools/boot/demo-host" "$HOST/root/demo/host"
}

# The steps that the host machine said since the last call; counts them in shown.
show_progress() {
	local line
	while IFS= read -r line; do
		shown=$((shown + 1))
		msg "$line"
	done < <(sed -n 's/\r*$//; s/^demo: step //p' "$LOG" | tail -n "+$((shown + 1))")
}

run_host() {
	local version=3 status=0 boot shown=0
	if [ "$GIC" = v2m ]; then
		version=2
	fi
	: >"$LOG"
	"$ROOT/scripts/boot.sh" --profile base --gic "$GIC" --iommu "$IOMMU" --kvm \
		--disk "$DISK" --add "$HOST/root" --run "sh /demo/host $version" \
		--log "$LOG" --timeout "$LIMIT" 2>"$HOST/boot.err" &
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
		explain
	fi
}

# What the host machine's script said went wrong, else what boot.sh saw.
explain() {
	local said seen
	said=$(sed -n 's/^demo: error //p' "$LOG" | head -n 1)
	seen=$(sed '/^ *full log: /d; s/^.*error: //; s/^ *//' "$HOST/boot.err" | paste -s -d ' ')
	die "${said:-$seen}" "${said:+$seen}" "$LOG"
}

report() {
	local status=0 text=$HOST/report
	"$ROOT/tools/boot/demo-report" -v gic="$GIC" -v iommu="$IOMMU" \
		-v bytes="$DISK_BYTES" -v sha256="$sha256" "$LOG" >"$text" || status=$?
	echo
	cat "$text"
	echo
	if [ "$status" -ne 0 ]; then
		die "the demo ran, but $(tail -n 1 "$text" | sed 's/^ *//')" \
			"all that is wrong is at the end of the report above" "$LOG"
	fi
}

check_arguments
mkdir -p "$LOGDIR" "$BUILD/demo"
steps 8
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel source"
"$ROOT/scripts/fetch.sh"
step "series"
"$ROOT/scripts/apply.sh"
step "arm64 kernel"
"$ROOT/scripts/build.sh" base
step "arm64 root with QEMU"
"$ROOT/scripts/root.sh"
step "disk image"
make_disk
step "host machine ($IOMMU, $GIC) and its KVM guest"
make_host
run_host
step "report"
report
msg "all as it should be, after $SECONDS s; full log: ${LOG#"$ROOT"/}"
