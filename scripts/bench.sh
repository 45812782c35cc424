#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: bench.sh [--json FILE] [--docs]
#        bench.sh --profile
#
# Measures what the series costs against the unpatched base: the same programs
# on two kernels of one configuration and compiler, on a machine whose time
# counts instructions (1,000 a microsecond), so that it does not matter what
# else the host does. Only how much CPUs hold each other up is measured in real
# time, and given as a ratio. Prints a table; writes it, all that was measured
# and the plots to build/bench/; with --docs the plots are copied to docs/.
#
# --profile instead says in which functions either kernel is while it enables
# and disables 2,048 vectors, and how much of that time it holds the locks of
# the irq core that all devices share, in thousandths.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/initramfs.sh"
. "$(dirname "${BASH_SOURCE[0]}")/selftests.sh"

BENCH=$ROOT/tools/bench

OUT=$BUILD/bench
LIMIT=${BENCH_LIMIT:-600}	# seconds, each machine

usage="usage: bench.sh [--json FILE] [--docs], or bench.sh --profile"
json='' profile='' docs=''
while [ $# -gt 0 ]; do
	case $1 in
	--json)
		json=${2:-}
		[ -n "$json" ] || die "bench.sh: --json needs a file" "$usage"
		shift
		;;
	--docs) docs=1 ;;
	--profile) profile=1 ;;
	*) die "bench.sh: unknown argument '$1'" "$usage" ;;
	esac
	shift
done

# The two kernels: <name in the report> <profile>
profile_of() { if [ "$1" = base ]; then echo vanilla; else echo base; fi; }

# counted <kernel> <part>
counted() {
	"$ROOT/scripts/boot.sh" --profile "$(profile_of "$1")" --counted \
		--add "$BUILD/programs/root" --add "$BUILD/programs/$(profile_of "$1")" --run "/bench/run-bench $2" \
		--log "$OUT/$1-$2.log" --timeout "$LIMIT"
}

# guest <kernel>; the demo's, host and guest of that kernel
guest() {
	"$ROOT/scripts/root.sh"
	rm -rf "$OUT/$1/guest"
	guest_root "$(profile_of "$1")" "$OUT/$1/guest/root" "$OUT/$1/guest"
	"$ROOT/scripts/boot.sh" --profile "$(profile_of "$1")" --counted --kvm \
		--add "$BUILD/programs/root" --add "$BUILD/programs/$(profile_of "$1")" \
		--add "$OUT/$1/guest/root" \
		--run 'GUEST_LIMIT=400 /bench/run-bench guest' \
		--log "$OUT/$1-guest.log" --timeout "$LIMIT"
}

# shellcheck disable=SC2054
parallel() {
	local devices=() slot
	for slot in 4 5 6; do
		devices+=(--device "nvme,addr=$slot,serial=msi$slot,max_ioqpairs=64,msix_qsize=2048")
	done
	"$ROOT/scripts/boot.sh" --profile "$(profile_of "$1")" --threads --smp 4 "${devices[@]}" \
		--add "$BUILD/programs/root" --add "$BUILD/programs/$(profile_of "$1")" --run '/bench/run-bench parallel' \
		--log "$OUT/$1-parallel.log" --timeout "$LIMIT"
}

# contention <kernel> <CPUs> <boot.sh's arguments for those...>
contention() {
	local kernel=$1 cpus=$2 devices=() slot
	shift 2
	for slot in 4 5 6 7 8 9 a b c d e f 10 11 12 13; do
		devices+=(--device "nvme,addr=$slot,serial=msi$slot,max_ioqpairs=7,msix_qsize=8")
	done
	"$ROOT/scripts/boot.sh" --profile "$(profile_of "$kernel")" "$@" "${devices[@]}" \
		--add "$BUILD/programs/root" --add "$BUILD/programs/$(profile_of "$kernel")" \
		--run '/bench/run-bench contention' --log "$OUT/$kernel-contention-$cpus.log" --timeout "$LIMIT"
}

# For docs/: gnuplot's SVG with an SPDX line, and without blanks at line ends
plots() {
	local plot
	logged "$LOGDIR/bench-plots.log" "plotting" gnuplot \
		-e "data='$OUT'; out='$OUT'" "$BENCH/plot.gnuplot"
	[ -n "$docs" ] || return 0
	for plot in "$OUT"/bench-*.svg; do
		sed -e '1a <!-- SPDX-License-Identifier: GPL-2.0-only -->' \
			-e 's/[[:blank:]]*$//' "$plot" >"$ROOT/docs/$(basename "$plot")"
	done
}

build() {
	local kernel
	step "packages"
	"$ROOT/scripts/deps.sh" build demo bench
	step "kernels"
	"$ROOT/scripts/build.sh" base
	"$ROOT/scripts/build.sh" vanilla
	step "benchmarks"
	for kernel in base series; do
		with_tests "$(profile_of "$kernel")"
	done
}

show_profile() {
	printf '%s\n' "$1"
	sed -n 's/^.*\] profile \([0-9][0-9]*\) /\1 /p' "$OUT/$1-profile.log" |
		awk 'NR <= 15 { printf "  %4d  %s\n", $1, $2 }'
	sed -n 's/^.*\] bench held \([^ ]*\) 0 \([0-9]*\)$/  \2  holds \1/p' "$OUT/$1-profile.log"
}

mkdir -p "$OUT" "$LOGDIR"
in_lock "$OUT.lock"
if [ -n "$profile" ]; then
	steps 4
	build
	step "profiles"
	for kernel in base series; do
		counted "$kernel" profile
		show_profile "$kernel"
	done
	exit
fi
steps 8
build
step "counted runs, base and series"
for kernel in base series; do
	counted "$kernel" counted
	counted "$kernel" profile
done
step "KVM guest, counted, on base and series"
guest base
guest series
step "parallel runs, base and series"
parallel base
parallel series
step "a driver beside owners, base and series"
for kernel in base series; do
	contention "$kernel" 1 --counted
	contention "$kernel" 4 --smp 4
done
step "plots and report"
"$BENCH/report.py" "$OUT" "$(nproc)" >"$OUT/report"
plots
echo
cat "$OUT/report"
echo
if [ -n "$json" ]; then
	cp "$OUT/bench.json" "$json"
fi
msg "build/bench/bench.json, build/bench/bench-*.svg after $SECONDS s"
