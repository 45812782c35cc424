#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: coverage.sh [MACHINE...]
#
# What all tests together run of the core, line by line: boots a kernel that
# counts (profile `coverage`) as each machine below, or as those named, adds up
# the counts, and prints a table. Status 0 only when every test passed, enough
# of each file ran, and each line that did not has its reason in
# scripts/coverage-exceptions: see coverage.py.
#
# One more machine is one more `machine_<name>` here. Its name is found by
# itself.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/selftests.sh"

PROFILE=coverage
OBJECTS=$KBUILD/$PROFILE
OUT=$BUILD/coverage
LIMIT=900	# seconds, each machine
TOOL=aarch64-linux-gnu-gcov-tool
GCOV=aarch64-linux-gnu-gcov

# boot <kernel command line> <command> [<boot.sh's further arguments>...]
boot() {
	local append=$1 command=$2
	shift 2
	"$ROOT/scripts/boot.sh" --profile "$PROFILE" --append "$append" "${adds[@]}" --add "$OUT/root" \
		--run "($command) && sh /coverage-dump '$OBJECTS'" \
		--log "$log" --timeout "$LIMIT" "$@"
}

# selftests <tests...>: the command that runs them
selftests() { echo "sh /tests/run-tests $*"; }

machine_kunit() { boot 'kunit.enable=1 kunit.filter_glob=iommu_msi*' true; }
machine_smmuv3_its() {
	boot "" "$(selftests "${TESTS_SMMU[@]}" "${TESTS[@]}" "${TESTS_TRANSLATED[@]}")"
}
machine_smmuv3_v2m() {
	boot "" "VECTORS=32 $(selftests "${TESTS_SMMU[@]}" "${TESTS[@]}" "${TESTS_TRANSLATED[@]}")" \
		--gic v2m
}
machine_virtio_its() {
	boot "" "DOORBELLS=0 $(selftests "${TESTS[@]}" "${TESTS_BYPASS[@]}")" --iommu virtio
}
machine_faults() {
	# Caches of their own: those of procfs must be spared, see the test
	boot slab_nomerge "VECTORS=3 SPARE=kmalloc-32 $(selftests "${TESTS_FAULTS[@]}")" "${DISK_OF_FEW[@]}"
}
machine_window_named()        { boot_window named; }
machine_window_doubtful()     { boot_window doubtful; }
machine_window_out_of_reach() { boot_window out_of_reach; }
machine_window_malformed()    { boot_window malformed; }
machine_window_dma_ranges()   { boot_window dma_ranges; }
machine_window_bridge_reserved() { boot_window bridge_reserved; }

boot_window() {
	local append changes command
	window_case "$1"
	boot "$append" "$command" "${changes[@]}"
}

# The counts that a machine wrote to its console, into $OUT/counts/<machine>
unpack() {
	local dir=$OUT/counts/$1 archive=$OUT/$1.tgz sum
	mkdir -p "$dir"
	sed -n 's/^coverage: data //p' "$log" | base64 -d >"$archive" ||
		die "machine $1: its counts cannot be read" "is the console disturbed?" "$log"
	sum=$(sed -n 's/^coverage: sha256 //p' "$log")
	if [ "$sum" != "$(sha256sum "$archive" | cut -d' ' -f1)" ]; then
		die "machine $1: its counts came damaged" "something else was written to the console?" "$log"
	fi
	tar -C "$dir" -xzf "$archive"
}

# passed <machine>: all test cases, none skipped
passed() {
	if ! grep -aq 'TAP version' "$log"; then
		die "machine $1: no test ran" "" "$log"
	fi
	"$ROOT/scripts/ktap.py" "$KTREE" "$log" >"$OUT/$1.results"
	if grep -v '^pass' "$OUT/$1.results" >&2; then
		die "machine $1: a test case did not pass" "the lines above" "$log"
	fi
}

# merge <machine>: adds its counts to all those before
merge() {
	if [ -d "$OUT/merged" ]; then
		mv "$OUT/merged" "$OUT/before"
		logged "$LOGDIR/coverage-merge.log" "merging the counts of $1" \
			"$TOOL" merge -o "$OUT/merged" "$OUT/before" "$OUT/counts/$1"
		rm -rf "$OUT/before"
	else
		cp -R "$OUT/counts/$1" "$OUT/merged"
	fi
}

run_machine() {
	local log=$OUT/$1.log start=$SECONDS
	"machine_$1"
	passed "$1"
	unpack "$1"
	merge "$1"
	msg "$1: $(wc -l <"$OUT/$1.results") test cases passed, after $((SECONDS - start)) s"
}

# gcov wants a file's notes beside its counts
report() {
	local counts
	: >"$OUT/gcov.json"
	while IFS= read -r counts; do
		cp "$OBJECTS/${counts%.gcda}.gcno" "$OUT/merged/${counts%/*}/"
		"$GCOV" -b -j -t "$OUT/merged/$counts" >>"$OUT/gcov.json"
	done < <(cd "$OUT/merged" && find . -name '*.gcda' | sort)
	"$ROOT/scripts/coverage.py" "$KTREE" "$ROOT/scripts/coverage-exceptions" \
		"$OUT/branches" "$OUT/gcov.json"
}

mapfile -t known < <(declare -F | sed -n 's/^declare -f machine_//p')
machines=("$@")
if [ $# -eq 0 ]; then
	machines=("${known[@]}")
fi
for machine in "${machines[@]}"; do
	declare -F "machine_$machine" >/dev/null ||
		die "coverage.sh: unknown machine '$machine'" "one of: ${known[*]}"
done

in_lock "$OUT.lock"
rm -rf "$OUT"
mkdir -p "$OUT/root" "$LOGDIR"
steps 4
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "kernel and tests"
"$ROOT/scripts/build.sh" "$PROFILE"
with_tests "$PROFILE"
cp "$ROOT/tools/boot/coverage-dump" "$OUT/root/"
step "${#machines[@]} machines"
for machine in "${machines[@]}"; do
	run_machine "$machine"
done
step "report"
echo
report
echo
msg "branches that were never taken: build/coverage/branches"
msg "all as it should be, after $SECONDS s"
