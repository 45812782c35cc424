#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: faults.sh
#
# Shows that the tests of what the series repairs can fail: runs each on the
# unpatched base, where it must fail, and prints what it says there. `make check`
# shows that they pass with the series.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/selftests.sh"

PROFILE=vanilla
OUT=${MSI_OUT:-$BUILD/faults}
LIMIT=300	# seconds, each machine

# fault | MSI controller | test | case | what the test says of it, a pattern
FAULTS=(
	'event lost, no doorbell|its|iommu_msi_step_test|step.type1_doorbell.enable|after failure 1$'
	'event lost, no LPI|its|iommu_msi_step_test|step.type1_parent.enable|after failure 2$'
	'SPI lost, no doorbell|v2m|iommu_msi_step_test|step.type1_doorbell.enable|after failure 1$'
	'hwirq lost, no doorbell|ls|iommu_msi_step_test|step.type1_doorbell.enable|after failure 1$'
	'window without an end|its|iommu_msi_full_test|full.type1.new_vector|-ENOSPC .-28. == irqs_set'
	'window at 0 is of no use|its|iommu_msi_window_test|platform.type1.window_at_zero|0 .0. == irqs_set'
	'replaced domain without doorbells|its|iommu_msi_test|replace.live_msi|edu_fire'
	'failed replacement frees the window|its|iommu_msi_step_test|replacement.reservation|ranges_hold'
	'no interrupts by vhost-vdpa|its|iommu_msi_vdpa_test|vdpa.interrupts|round 0: 0 interrupts of queue'
	'hardware and software MSI region|its|iommu_msi_window_test|platform.iommufd.both_regions|WARNING: .*iopt_table_enforce_dev_resv_regions'
)

# fault <name> <MSI controller> <test> <case> <pattern>: one line of the table
fault() {
	local log=$OUT/$2-$4.log verdict='not found' says='' machine=(--gic "$2") status=0
	if [ "$2" = ls ]; then
		machine=("${LS_SCFG[@]}")
	fi
	"$ROOT/scripts/boot.sh" --profile "$PROFILE" "${machine[@]}" "${adds[@]}" \
		"${DISK_OF_FEW[@]}" "${VDPA_DEVICE[@]}" --run "DOORBELLS=0 VECTORS=8 /tests/$3 -r $4" \
		--log "$log" --timeout "$LIMIT" >/dev/null 2>&1 || status=$?
	if [ "$status" -ne 0 ]; then
		says=$(grep -a -m 1 -E -e "$5" "$log" | sed 's,^# .*/\([a-z_]*[.][ch]:[0-9]*\):[^:]*:,\1: ,; s,^\[[ 0-9.]*\] ,,' || true)
	fi
	if [ "$status" -eq 124 ]; then
		die_status=124
	fi
	if [ -n "$says" ]; then
		verdict=found
		found=$((found + 1))
	fi
	printf '%-36s %-4s %-31s %s\n' "$1" "$2" "$4" "$verdict" >>"$OUT/table"
	msg "$1: $verdict${says:+: $says}"
}

in_lock "$OUT.lock"
rm -rf "$OUT"
mkdir -p "$OUT" "$LOGDIR"
found=0
steps 3
step "packages"
"$ROOT/scripts/deps.sh" build demo
step "unpatched kernel and tests"
"$ROOT/scripts/build.sh" "$PROFILE"
with_tests "$PROFILE"
step "${#FAULTS[@]} faults"
printf '%-36s %-4s %-31s %s\n' fault MSIs test 'on the base' >"$OUT/table"
for line in "${FAULTS[@]}"; do
	IFS='|' read -r name gic test case pattern <<<"$line"
	fault "$name" "$gic" "$test" "$case" "$pattern"
done
echo
cat "$OUT/table"
echo
if [ "$found" -ne "${#FAULTS[@]}" ]; then
	die "$((${#FAULTS[@]} - found)) of ${#FAULTS[@]} faults were not found on the base" \
		"their tests prove nothing: see what they say" "$OUT"
fi
msg "all ${#FAULTS[@]} faults were found, after $SECONDS s"
