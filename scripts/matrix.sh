#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: matrix.sh [4k|16k|64k ...]
#
# The selftests on every machine that there is: kernels with pages of 4K, 16K
# and 64K (or those named), an SMMUv3 and a virtio-iommu, an ITS and a GICv2m,
# by VFIO type1 and by iommufd. Prints a table; status 0 only when every test
# case of every machine passed, and none was skipped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/selftests.sh"

OUT=$BUILD/matrix
LIMIT=600	# seconds, each machine

sizes=("$@")
if [ $# -eq 0 ]; then
	sizes=(4k 16k 64k)
fi
for size in "${sizes[@]}"; do
	case $size in
	4k | 16k | 64k) ;;
	*) die "matrix.sh: unknown page size '$size'" "usage: matrix.sh [4k|16k|64k ...]" ;;
	esac
done

profile_of() { if [ "$1" = 4k ]; then echo base; else echo "$1"; fi; }

# boot <size> <iommu> <gic> <log>
boot() {
	local profile variables='KILLS=100 ' tests=("${TESTS[@]}")
	profile=$(profile_of "$1")
	if [ "$2" = smmuv3 ]; then
		tests=("${TESTS_SMMU[@]}" "${tests[@]}" "${TESTS_TRANSLATED[@]}" "${TESTS_KILL[@]}")
	else
		tests+=("${TESTS_BYPASS[@]}")
		variables+='DOORBELLS=0 '
	fi
	if [ "$3" = v2m ]; then
		variables+='VECTORS=32 DOORBELL=0x8020040 '
	fi
	"$ROOT/scripts/boot.sh" --profile "$profile" --gic "$3" \
		--iommu "$2" "${adds[@]}" --log "$4" --timeout "$LIMIT" \
		--run "${variables}sh /tests/run-tests ${tests[*]}"
}

# count <results> <pattern>: "passed/all" of the test cases of that name
count() {
	awk -F '\t' -v pattern="$2" '$2 ~ pattern { all++; passed += $1 == "pass" }
		END { printf "%d/%d\n", passed, all }' "$1"
}

# row <size> <iommu> <gic>: boots that machine, and adds its line to the table
row() {
	local log=$OUT/$1-$2-$3.log results=$OUT/$1-$2-$3.results start=$SECONDS
	local status=0 type1 iommufd verdict=passed
	boot "$@" "$log" 2>"$OUT/error" || status=$?
	"$ROOT/scripts/ktap.py" "$KTREE" "$log" >"$results" || status=1
	type1=$(count "$results" '[.]type1[.]')
	iommufd=$(count "$results" '[.]iommufd[.]|^(replace|options)[.]')
	if [ "$status" -ne 0 ] || grep -q -v '^pass' "$results"; then
		verdict=failed
	elif [[ $type1 == 0/* || $iommufd == 0/* ]]; then
		verdict='failed: nothing ran'
	fi
	if [ "$verdict" != passed ]; then
		failed=$((failed + 1))
		cat "$OUT/error" >&2
		grep -v '^pass' "$results" >&2 || true
	fi
	printf '%-6s %-7s %-5s %8s %8s %8s  %s\n' "$1" "$2" "$3" "$type1" "$iommufd" \
		$((SECONDS - start)) "$verdict" >>"$OUT/table"
	msg "$1 $2 $3: type1 $type1, iommufd $iommufd, $verdict"
}

in_lock "$OUT.lock"
rm -rf "$OUT"
mkdir -p "$OUT" "$LOGDIR"
failed=0
steps $((1 + 2 * ${#sizes[@]}))
step "packages"
"$ROOT/scripts/deps.sh" build demo
printf '%-6s %-7s %-5s %8s %8s %8s\n' pages IOMMU MSIs type1 iommufd seconds >"$OUT/table"
for size in "${sizes[@]}"; do
	step "kernel and tests, pages of $size"
	"$ROOT/scripts/build.sh" "$(profile_of "$size")"
	with_tests "$(profile_of "$size")"
	step "machines, pages of $size"
	for iommu in smmuv3 virtio; do
		for gic in its v2m; do
			row "$size" "$iommu" "$gic"
		done
	done
done
echo
cat "$OUT/table"
echo
if [ "$failed" -ne 0 ]; then
	die "$failed of $((4 * ${#sizes[@]})) machines failed" "what failed is above the table" "$OUT"
fi
msg "all $((4 * ${#sizes[@]})) machines passed, after $SECONDS s"
