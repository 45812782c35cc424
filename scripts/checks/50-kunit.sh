# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The KUnit suites of the series, run by a kernel that boots. A suite that is
# built in and does not run leaves its part of the report out, which fails.

KUNIT_SUITES=(iommu_msi iommu_msi_virtio iommu_msi_arm_smmu)

# suites <profile> <seconds>
suites() {
	local log=$CHECK_DIR/machine.log suite status=0
	scripts/boot.sh --profile "$1" --append 'kunit.enable=1 kunit.filter_glob=iommu_msi*' \
		--run true --log "$log" --timeout "$2" || status=$?
	cp "$log" "$CHECK_DIR/$1.ktap"
	for suite in "${KUNIT_SUITES[@]}"; do
		grep -aq "ok [0-9]* $suite\$" <(tr -d '\r' <"$log") ||
			die "suite $suite did not run to its end"
	done
	return "$status"
}

kunit_base()  { suites base 180; }
kunit_debug() { suites debug 600; }
kunit_64k()   { suites 64k 300; }

check base kunit_base 240 kernels/base prepare/root
check debug kunit_debug 900 kernels/debug prepare/root
check 64k kunit_64k 600 kernels/64k prepare/root
