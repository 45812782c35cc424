#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: stress.sh [SECONDS [SEED]]
#
# All that user space can do to MSIs at once, for 600 s or those given, on a
# machine of four CPUs whose kernel has KASAN, lockdep, kmemleak and
# panic_on_warn: see tools/testing/stress/stress.c. Prints what was done; status
# 0 only when every interrupt that was raised arrived, and nothing was left
# behind or said.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

PROFILE=debug
OUT=$BUILD/stress
LOG=$LOGDIR/stress.log
STRESS=$ROOT/tools/testing/stress
SELFTESTS=$ROOT/tools/testing/selftests/iommu_msi

# The machine's own edu and NVMe are at 2 and 3; the commas are QEMU's
# shellcheck disable=SC2054
DEVICES=(--device edu,addr=4
	--device nvme,addr=5,serial=few,max_ioqpairs=7,msix_qsize=8
	--device 'e1000e,addr=6.0,multifunction=on,romfile='
	--device 'e1000e,addr=6.1,romfile='
	--device nvme,addr=7,serial=removed,max_ioqpairs=7,msix_qsize=8)
# shellcheck disable=SC2054
WORKERS=(edu:type1:0000:00:02.0'?' edu:iommufd:0000:00:04.0
	nvme:iommufd:0000:00:05.0'?' net:type1:0000:00:06.0,0000:00:06.1
	nvme:type1:0000:00:07.0'?' guest:0000:00:03.0
	unbind:0000:00:02.0,0000:00:05.0 remove:0000:00:07.0 affinity)

SECONDS=0	# make's variable of that name came with the environment
seconds=${1:-600} seed=${2:-$(($(date +%s) % 1000000))}
case $seconds$seed in
*[!0-9]* | '') die "stress.sh: '$*' are not seconds and a seed" "usage: stress.sh [SECONDS [SEED]], both numbers" ;;
esac
[ "$seconds" -gt 0 ] || die "stress.sh: $seconds seconds" "1 at least"

build() {
	rm -rf "$OUT"
	mkdir -p "$OUT/root/stress"
	make -C "$KTREE" "O=$KBUILD/$PROFILE" ARCH=arm64 headers_install \
		"INSTALL_HDR_PATH=$OUT/headers"
	aarch64-linux-gnu-gcc -Wall -Wextra -Werror -O2 -static \
		-isystem "$OUT/headers/include" -I"$SELFTESTS" \
		-o "$OUT/root/stress/stress" "$STRESS/stress.c" \
		"$SELFTESTS/vfio_util.c" "$SELFTESTS/window_util.c" "$SELFTESTS/nvme.c"
}

boot() {
	local shown=0
	: >"$LOG"
	"$ROOT/scripts/boot.sh" --profile "$PROFILE" --append kunit.enable=0 --smp 4 --mem 2G --kvm \
		"${DEVICES[@]}" --add "$OUT/root" \
		--run "/stress/stress $seconds $seed ${WORKERS[*]@Q}" \
		--log "$LOG" --timeout $((seconds + 420)) 2>"$OUT/error" &
	boot=$!
	trap 'kill "$boot" 2>/dev/null || true' EXIT
	while kill -0 "$boot" 2>/dev/null; do
		tell_progress stress "$LOG"
		sleep 1
	done
	status=0
	wait "$boot" || status=$?
	trap - EXIT
}

mkdir -p "$LOGDIR"
steps 5
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel"
"$ROOT/scripts/build.sh" "$PROFILE"
step "root and program"
"$ROOT/scripts/root.sh"
logged "$LOGDIR/stress-build.log" "building stress" build
guest_root "$PROFILE" "$OUT/guest" "$OUT"
cp "$OUT/guest/demo/Image" "$OUT/guest/demo/guest.cpio" "$OUT/root/stress/"
step "stress for $seconds s, seed $seed"
boot
step "report"
echo
sed -n 's/\r*$//; s/^stress: //p' "$LOG" | grep -v -E '^ *[0-9]+ s, ' || true
echo
if [ "$status" -ne 0 ]; then
	cat "$OUT/error" >&2
	die "it failed" "make stress SECONDS=$seconds SEED=$seed does the same again" "$LOG"
fi
msg "passed, after $SECONDS s"
