#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: stress.sh [--kcsan | --soak] [SECONDS [SEED]]
#
# All that user space can do to MSIs at once, for 600 s or those given, on a
# machine of four CPUs whose kernel has KASAN, lockdep, kmemleak and
# panic_on_warn: see tools/testing/stress/stress.c. With --kcsan it has KCSAN in
# the place of KASAN and kmemleak; with --soak there are rounds of it, and the kernel's
# memory must not grow, see tools/boot/soak. Devices are unplugged meanwhile: see plug.sh.
# Prints what was done; status 0 only when every interrupt that was raised
# arrived, nothing was left behind, and the kernel did not complain.
#
# The four CPUs take turns in one thread of QEMU's. With a thread each, QEMU may
# lose what a CPU reads or writes of a device, or do it to another device, while
# a BAR comes or goes on another CPU (seen of 7.2 and 10.0, on the unpatched
# kernel): a register that was not written would be taken for a lost interrupt.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"

PROFILE=debug KCSAN='' OPTION='' PROGRAM=stress ENDED='seed [0-9]*,'
if [ "${1:-}" = --kcsan ]; then
	PROFILE=kcsan KCSAN=1 OPTION=$1
	shift
elif [ "${1:-}" = --soak ]; then
	PROGRAM=soak ENDED=soak OPTION=$1
	shift
fi
OUT=${MSI_OUT:-$BUILD/$PROGRAM/$PROFILE}
LOG=$OUT/stress.log

# The machine's own edu and NVMe are at 2 and 3; the commas are QEMU's
# shellcheck disable=SC2054
DEVICES=(--device edu,addr=4
	--device nvme,addr=5,serial=few,max_ioqpairs=7,msix_qsize=8
	--device 'e1000e,addr=6.0,multifunction=on,romfile='
	--device 'e1000e,addr=6.1,romfile='
	--device pcie-root-port,id=port1,chassis=1,addr=8
	--device pcie-root-port,id=port2,chassis=2,addr=9
	--device pcie-root-port,id=port3,chassis=3,addr=c
	--device nvme,bus=port3,serial=removed,max_ioqpairs=7,msix_qsize=8
	--device edu,addr=a --device edu,addr=b)
# Behind those
# shellcheck disable=SC2054
PLUGGED=(edu,id=plug1,bus=port1
	nvme,id=plug2,bus=port2,serial=plugged,max_ioqpairs=7,msix_qsize=8)
# shellcheck disable=SC2054
WORKERS=(edu:type1:0000:00:02.0'?' edu:iommufd:0000:00:04.0
	nvme:iommufd:0000:00:05.0'?' net:type1:0000:00:06.0,0000:00:06.1
	nvme:type1:0000:03:00.0'?' guest:0000:00:03.0
	edu:iommufd:0000:00:0a.0,0000:00:0b.0
	edu:type1:0000:01:00.0'?' nvme:iommufd:0000:02:00.0'?'
	slot:0000:00:08.0,0000:01:00.0 slot:0000:00:09.0,0000:02:00.0
	unbind:0000:00:02.0,0000:00:05.0 remove:0000:03:00.0 affinity look)

# Who wants a device that is in use waits, on a slow machine for long
APPEND='sysctl.kernel.hung_task_timeout_secs='
measure_pace
APPEND+=$(paced 240)
if [ -n "$KCSAN" ]; then
	# A task whose access is watched stays on its CPU, the number of which it
	# may just be reading
	APPEND+=' kcsan.interrupt_watcher=0'
fi

# How much KCSAN has seen, said in the machine
# shellcheck disable=SC2016
COUNTERS='status=$?; sed -n "s/^setup_watch\|^data_race/stress: kcsan, &/p" /sys/kernel/debug/kcsan; exit $status'

began=$EPOCHSECONDS
seconds=${1:-600} seed=${2:-$(($(date +%s) % 1000000))}
case $seconds$seed in
*[!0-9]* | '') die "stress.sh: '$*' are not seconds and a seed" "usage: stress.sh [--kcsan | --soak] [SECONDS [SEED]], both numbers" ;;
esac
[ "$seconds" -ge 30 ] || die "stress.sh: $seconds seconds" "30 at least: every worker is to have done something"

# said <pattern>: has the program in the machine said it?
said() { grep -a -q -E "^stress: $1" "$LOG"; }

end_jobs() { kill "$boot" ${plug:+"$plug"} 2>/dev/null || true; }

# Unplugs from when the program has begun until it has ended
boot() {
	local shown=0 device plugged=()
	: >"$LOG"
	: >"$OUT/error"
	mkfifo "$OUT/qmp.in" "$OUT/qmp.out"
	for device in "${PLUGGED[@]}"; do
		plugged+=(--device "$device")
	done
	"$ROOT/scripts/boot.sh" --profile "$PROFILE" --append "$APPEND" --smp 4 --one-thread --mem 2G --kvm \
		"${DEVICES[@]}" "${plugged[@]}" --qmp "$OUT/qmp" --add "$BUILD/programs/root" --add "$OUT/root" \
		--run "/stress/$PROGRAM $seconds $seed ${WORKERS[*]@Q}${KCSAN:+; $COUNTERS}" \
		--log "$LOG" --timeout $((seconds + 600)) 2>>"$OUT/error" &
	boot=$! plug=
	trap end_jobs EXIT
	while kill -0 "$boot" 2>/dev/null; do
		tell_progress 'stress: *\([0-9]* s, .*\)' "$LOG"
		if [ -z "$plug" ] && said 'seed [0-9]*, [0-9]* seconds'; then
			PACE=$PACE "$ROOT/scripts/plug.sh" "$OUT/qmp" "$seed" "${PLUGGED[@]}" >"$OUT/plugs" 2>>"$OUT/error" &
			plug=$!
		elif [ -n "$plug" ] && said "$ENDED (passed|failed)"; then
			kill "$plug" 2>/dev/null || true
		fi
		sleep 1
	done
	status=0
	wait "$boot" || status=$?
	if [ "$status" -eq 0 ] && [ -n "$KCSAN" ] && ! said 'kcsan, setup_watchpoints: [1-9]'; then
		echo "error: KCSAN has watched nothing" >>"$OUT/error"
		status=1
	fi
	if [ -n "$plug" ]; then
		kill "$plug" 2>/dev/null || true
		wait "$plug" || status=$((status ? status : $?))
	fi
	trap - EXIT
}

mkdir -p "$LOGDIR"
in_lock "$OUT.lock"
rm -rf "$OUT"
mkdir -p "$OUT/root/stress"
steps 5
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel"
"$ROOT/scripts/build.sh" "$PROFILE"
step "root and programs"
"$ROOT/scripts/root.sh"
"$ROOT/scripts/programs.sh"
guest_root "$PROFILE" "$OUT/guest" "$OUT"
cp "$OUT/guest/demo/Image" "$OUT/guest/demo/guest.cpio" "$ROOT/tools/boot/soak" "$OUT/root/stress/"
step "$PROGRAM for $seconds s, seed $seed"
boot
step "report"
echo
sed -n 's/\r*$//; s/^stress: //p' "$LOG" | grep -v -E '^ *[0-9]+ s, ' || true
cat "$OUT/plugs" 2>/dev/null || true
echo
if [ "$status" -ne 0 ]; then
	cat "$OUT/error" >&2
	die_status=$status die "it failed" "scripts/stress.sh ${OPTION:+$OPTION }$seconds $seed does the same again" "$LOG"
fi
msg "passed, after $((EPOCHSECONDS - began)) s"
