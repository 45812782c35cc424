# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The selftests, in machines of every kind that the series supports. A test
# case that is skipped counts as a failure.

SELFTESTS=tools/testing/selftests/iommu_msi
TESTS=(iommu_msi_test iommu_msix_test iommu_msi_share_test)
# Where doorbells are translated, and where they bypass the IOMMU
TESTS_TRANSLATED=(iommu_msi_full_test iommu_msi_window_test iommu_msi_lsmsi_test)
TESTS_BYPASS=(iommu_msi_bypass_test)
TESTS_EXPOSURE=(iommu_msi_exposure_test)	# pages of 64K, a frame of 4K
TESTS_FAULTS=(iommu_msi_fail_nth_test)
# What those do with all vectors they do some hundred times: a disk with few
DISK_OF_FEW=(--device nvme,addr=4,serial=few,max_ioqpairs=7,msix_qsize=8)

# build_tests <profile> <directory>: with the headers of that profile's kernel
build_tests() {
	local headers=$KBUILD/$1/usr-headers/include test
	mkdir -p "$2/tests"
	if [ ! -e "$headers/linux/iommufd.h" ]; then
		headers=$CHECK_DIR/headers/include
		make -C "$KTREE" "O=$KBUILD/$1" ARCH=arm64 headers_install \
			"INSTALL_HDR_PATH=$CHECK_DIR/headers"
	fi
	for test in "${TESTS[@]}" "${TESTS_TRANSLATED[@]}" "${TESTS_BYPASS[@]}" \
		"${TESTS_EXPOSURE[@]}" "${TESTS_FAULTS[@]}"; do
		aarch64-linux-gnu-gcc -Wall -Werror -O2 -static -isystem "$headers" \
			-I"$KTREE/tools/testing/selftests" -o "$2/tests/$test" \
			"$SELFTESTS/$test.c" "$SELFTESTS"/*_util.c "$SELFTESTS/nvme.c"
	done
	make -C tools/iommu "O=$CHECK_DIR/lsmsi" CC=aarch64-linux-gnu-gcc LDFLAGS=-static
	cp tools/boot/run-tests "$CHECK_DIR/lsmsi/lsmsi" "$2/tests/"
}

# build_modules <profile> <directory>: out of tree, as a user of the API would
build_modules() {
	local source=$CHECK_DIR/module
	cp -R "$SELFTESTS/test_modules" "$source"
	make -C "$KTREE" "O=$KBUILD/$1" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
		LOCALVERSION= "M=$source" modules
	cp "$source"/*.ko "$2/tests/"
}

# machine <profile> <gic> <iommu> <seconds> <environment> [tests...], with the
# further arguments for boot.sh in the array of that name
BOOT=()
machine() {
	local profile=$1 gic=$2 iommu=$3 limit=$4 variables=$5
	local add=$CHECK_DIR/add log=$CHECK_DIR/machine.log status=0 tests
	shift 5
	tests=("$@")
	if [ $# -eq 0 ] && [ "$iommu" = smmuv3 ]; then
		tests=("${TESTS[@]}" "${TESTS_TRANSLATED[@]}")
	elif [ $# -eq 0 ]; then
		tests=("${TESTS[@]}" "${TESTS_BYPASS[@]}")
	fi
	scripts/build.sh "$profile"
	build_tests "$profile" "$add"
	build_modules "$profile" "$add"
	scripts/boot.sh --profile "$profile" --append kunit.enable=0 --gic "$gic" --iommu "$iommu" --add "$add" "${BOOT[@]}" \
		--run "$variables sh /tests/run-tests ${tests[*]}" --log "$log" --timeout "$limit" || status=$?
	cp "$log" "$CHECK_DIR/machine.ktap"
	return "$status"
}

base_its()    { machine base its smmuv3 180 ''; }
base_v2m()    { machine base v2m smmuv3 180 'VECTORS=32'; }
base_virtio() { machine base its virtio 180 'DOORBELLS=0'; }
debug_its()   { machine debug its smmuv3 900 ''; }
debug_v2m()   { machine debug v2m smmuv3 600 'VECTORS=32'; }
k64_its()     { machine 64k its smmuv3 300 ''; }
k64_v2m()     { machine 64k v2m smmuv3 180 '' "${TESTS_EXPOSURE[@]}"; }

# Every allocation fails once, of whatever sets up an interrupt
faults_its() {
	local BOOT=("${DISK_OF_FEW[@]}")
	machine debug its smmuv3 900 'VECTORS=3' "${TESTS_FAULTS[@]}"
}
faults_v2m() {
	local BOOT=("${DISK_OF_FEW[@]}")
	machine debug v2m smmuv3 900 'VECTORS=3' "${TESTS_FAULTS[@]}"
}

check smmuv3-its base_its
check smmuv3-v2m base_v2m
check virtio-its base_virtio
check debug-smmuv3-its debug_its 1800
check debug-smmuv3-v2m debug_v2m 1800
check faults-smmuv3-its faults_its 1800
check faults-smmuv3-v2m faults_v2m 1800
check 64k-smmuv3-its k64_its 1800
check 64k-smmuv3-v2m k64_v2m
