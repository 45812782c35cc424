#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: fuzz.sh [CALLS [SEED [KEPT]]]
#
# Fuzzes what the series offers to user space, by 1000000 calls or as many as are
# given, on a machine whose kernel has KCOV, KASAN, lockdep, kmemleak and
# panic_on_warn: see tools/testing/fuzz/fuzz.c. Prints what each kind of call
# did; status 0 only when each kind succeeded at least once, nothing was left behind,
# and the kernel did not complain. KEPT is the log of an earlier run: with its seed, the processes make
# the same programs again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"

PROFILE=debug
OUT=${MSI_OUT:-$BUILD/fuzz}
LOG=$OUT/fuzz.log
SLOWEST=100	# calls a second, for the time limit

# The machine's own edu is at 2; its NVMe, at 3, has 2,048 vectors, which take
# their time to be masked. The commas are QEMU's
# shellcheck disable=SC2054
DEVICES=(--device edu,addr=4
	--device nvme,addr=5,serial=few,max_ioqpairs=7,msix_qsize=8
	--device 'e1000e,addr=6,romfile='
	--device edu,addr=7)
# A process each, and more than CPUs: many calls wait, for RCU or a device
ADDRESSES=(0000:00:02.0 0000:00:04.0 0000:00:05.0 0000:00:06.0 0000:00:07.0)

SECONDS=0
calls=${1:-1000000} seed=${2:-$(($(date +%s) % 1000000))} kept=${3:-} keep=-
case $calls$seed in
*[!0-9]* | '') die "fuzz.sh: '$*' are not calls and a seed" "usage: fuzz.sh [CALLS [SEED [KEPT]]], the first two are numbers" ;;
esac
[ "$calls" -gt 0 ] || die "fuzz.sh: $calls calls" "1 at least"
if [ -n "$kept" ] && ! grep -a -q '^fuzz: keep ' "$kept"; then
	die "fuzz.sh: '$kept' is no log of an earlier run" "give the log that it named when it failed"
fi

boot() {
	local shown=0
	: >"$LOG"
	"$ROOT/scripts/boot.sh" --profile "$PROFILE" --append loglevel=5 \
		"${DEVICES[@]}" --add "$BUILD/programs/root" --add "$OUT/root" \
		--run "/fuzz/fuzz $calls $seed $keep ${ADDRESSES[*]}" \
		--log "$LOG" --timeout $((calls / SLOWEST + 300)) 2>"$OUT/error" &
	boot=$!
	trap 'kill "$boot" 2>/dev/null || true' EXIT
	while kill -0 "$boot" 2>/dev/null; do
		tell_progress 'fuzz: *\([0-9]* s, .*\)' "$LOG"
		sleep 1
	done
	status=0
	wait "$boot" || status=$?
	trap - EXIT
}

in_lock "$OUT.lock"
if [ -n "$kept" ]; then	# it may be what the next line removes
	keeps=$(grep -a '^fuzz: keep ' "$kept")
	keep=/fuzz/kept
fi
rm -rf "$OUT"
mkdir -p "$LOGDIR" "$OUT/root/fuzz"
printf '%s\n' "${keeps:-}" >"$OUT/root/fuzz/kept"
steps 5
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel"
"$ROOT/scripts/build.sh" "$PROFILE"
step "root and programs"
"$ROOT/scripts/root.sh"
"$ROOT/scripts/programs.sh"
step "$calls calls, seed $seed"
boot
step "report"
echo
sed -n 's/\r*$//; s/^fuzz: //p' "$LOG" | grep -v -E '^ *[0-9]+ s, |^keep ' || true
echo
if [ "$status" -ne 0 ]; then
	cat "$OUT/error" >&2
	cp "$LOG" "$OUT.failed"	# where the next run does not remove it
	die_status=$status die "it failed" \
		"make fuzz CALLS=$calls SEED=$seed KEPT=$OUT.failed makes the same programs again" "$LOG"
fi
msg "passed, after $SECONDS s"
