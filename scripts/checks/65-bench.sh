# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The benchmarks build, run, and can be reported; what they measure in these
# few rounds means nothing. Without icount, and with the series' results in
# the place of the base's: one kernel is enough.

. "$ROOT/scripts/selftests.sh"

# bench_machine <part> <numbers> <boot.sh's further arguments...>
bench_machine() {
	local part=$1 numbers=$2
	shift 2
	scripts/boot.sh --profile base "${adds[@]}" \
		--run "$numbers sh /bench/run-bench $part" --log "$CHECK_DIR/$part.log" \
		--timeout 240 "$@"
}

# results <part> <at least so many>
results() {
	local count
	count=$(grep -a -c -E '(^|\] )bench [^ ]+ [^ ]+ [0-9]+ [0-9.]+$' "$CHECK_DIR/$1.log" || true)
	echo "$1: $count results"
	[ "$count" -ge "$2" ] || die "$1: $count results, expected $2 at least"
}

bench_runs() {
	local adds
	with_tests base
	bench_machine counted 'ROUNDS=16 RUNS=1 MOST=16 VECTORS="1 16"'
	results counted 33
	bench_machine parallel 'PARALLEL_ROUNDS=16 PARALLEL_RUNS=1 PARALLEL_VECTORS=4' \
		--device nvme,addr=4,serial=msi4,max_ioqpairs=64,msix_qsize=2048
	results parallel 8
	bench_machine contention 'RUNS=1 DRIVER_ROUNDS=2 OWNERS="0 1"' \
		--device nvme,addr=4,serial=msi4,max_ioqpairs=7,msix_qsize=8
	results contention 4
	bench_machine profile 'RUNS=1 VECTORS=16'
	results profile 2
}

# That each kernel has what the report asks of it, on results made up
bench_reports() {
	local kernel
	for kernel in base series; do
		bench_results >"$CHECK_DIR/$kernel-counted.log"
		: >"$CHECK_DIR/$kernel-parallel.log"
		: >"$CHECK_DIR/$kernel-contention-1.log"
		: >"$CHECK_DIR/$kernel-contention-4.log"
		: >"$CHECK_DIR/$kernel-guest.log"
		: >"$CHECK_DIR/$kernel-profile.log"
	done
	tools/bench/report.py "$CHECK_DIR" 2 >"$CHECK_DIR/report"
	grep -q 'get, 4,096 mapped against 1 .* missed$' "$CHECK_DIR/report" ||
		die "a missed goal is not reported"
	grep -q 'enable 2,048 .* <= 0.50 *missed$' "$CHECK_DIR/report" ||
		die "a missed goal is not reported"
	grep -q 'enable + disable, any number of CPUs *2.50 *2.50 *2.50 *$' "$CHECK_DIR/report" ||
		die "what locks allow is not reported"
	grep -q '16 owners, 4 CPUs: nanoseconds *16.00 *16.00 *1.00$' "$CHECK_DIR/report" ||
		die "what owners cost a driver is not reported"
	grep -q 'compose, translated .* met$' "$CHECK_DIR/report" ||
		die "a goal that was met is not reported"
	python3 -m json.tool "$CHECK_DIR/bench.json" >/dev/null
}

bench_results() {
	local domain what n
	for domain in smmuv3 mock; do
		for what in get put prepare release; do
			for n in 1 16 256 4096; do echo "[ 1.5] bench $domain $what $n $n.25"; done
		done
		for n in 0 1 256; do echo "bench $domain cycle $n 100"; done
		printf "bench $domain %s\n" 'new 16 90' 'last 16 80' 'floor 0 70'
	done
	printf 'bench %s\n' 'smmuv3 compose 0 5' 'smmuv3 compose 1 6' 'smmuv3 domain 0 7' \
		'smmuv3 replace 1 900' 'smmuv3 replace 2048 901' 'dma prepare 1 60'
	for n in 1 16 64 256 1024 2048; do
		printf "bench vfio %s $n $n\n" enable disable
	done
	echo "bench guest first-interrupt 0 123"
	printf 'bench held %s\n' 'sparse_irq_lock 0 400' 'irq_domain.mutex 0 250'
	for what in domain window doorbell descriptor vector; do echo "bench memory $what 0 64"; done
	for n in 1 2 4; do
		printf "bench %s $n $n\n" 'parallel floor' 'parallel prepare' \
			'vfio-parallel floor' 'vfio-parallel vfio'
	done
	for n in 0 1 4 16; do
		printf "bench %s $n $n\n" 'driver-1 own' 'driver-1 wall' 'driver-4 wall'
	done
}

check runs bench_runs 600 kernels/base prepare/root prepare/programs
check report bench_reports 60 prepare/packages
