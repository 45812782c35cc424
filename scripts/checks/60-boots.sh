# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153
#
# The selftests, in machines of every kind that the series supports. A test
# case that is skipped counts as a failure.

. "$ROOT/scripts/initramfs.sh"
. "$ROOT/scripts/selftests.sh"

# machine <profile> <gic> <iommu> <seconds> <environment> [tests...], with
# further arguments for boot.sh in EXTRA; RUN runs the tests; with SUITES the
# kernel runs its KUnit suites before
EXTRA=() RUN='sh /tests/run-tests' SUITES=
machine() {
	local profile=$1 gic=$2 iommu=$3 limit=$4 variables=$5
	local log=$CHECK_DIR/machine.log status=0 tests adds
	shift 5
	tests=("$@")
	if [ $# -eq 0 ] && [ "$iommu" = smmuv3 ]; then
		tests=("${TESTS_SMMU[@]}" "${TESTS[@]}" "${TESTS_TRANSLATED[@]}")
	elif [ $# -eq 0 ]; then
		tests=("${TESTS[@]}" "${TESTS_BYPASS[@]}")
	fi
	with_tests "$profile"
	scripts/boot.sh --profile "$profile" ${SUITES:+--append "$KUNIT"} --gic "$gic" --iommu "$iommu" \
		"${adds[@]}" "${EXTRA[@]}" \
		--run "$variables $RUN ${tests[*]}" --log "$log" --timeout "$limit" || status=$?
	cp "$log" "$CHECK_DIR/machine.ktap"
	if [ "$status" -eq 0 ] && [ -n "$SUITES" ]; then
		suites_ran "$log"
	fi
	return "$status"
}

# beside <array of boot.sh's arguments> <machine or walked...>
beside() {
	local -n arguments=$1
	local EXTRA=("${arguments[@]}")
	shift
	"$@"
}

base_its()    { machine base its smmuv3 180 ''; }
base_v2m()    { machine base v2m smmuv3 180 'VECTORS=32'; }
base_virtio() { machine base its virtio 180 'DOORBELLS=0'; }

noiommu_its() { machine base its none 120 'DISK=no' "${TESTS_NOIOMMU[@]}"; }
noiommu_v2m() { machine base v2m none 120 'DISK=no' "${TESTS_NOIOMMU[@]}"; }

# walked <profile> <gic> <iommu> <stage> <environment> [tests...]: by a driver whose
# SMMU is memory
walked() {
	local limit=300 EXTRA=("${EXTRA[@]}" --append "arm-smmu.force_stage=$4") tests=("${@:6}")
	# Two functions in one group
	EXTRA+=(--device 'edu,addr=5.0,multifunction=on' --device 'edu,addr=5.1')
	[ $# -gt 5 ] || tests=("${TESTS_WALKED[@]}")
	[ "$1" != debug ] || limit=1200
	machine "$1" "$2" "$3" "$limit" "WALKER=1 $5" "${tests[@]}"
}
smmuv2_its()        { walked base its smmuv2 1 ''; }
smmuv2_v2m()        { walked base v2m smmuv2 1 'VECTORS=32'; }
smmuv2_its_stage2() { walked base its smmuv2 2 ''; }
smmuv2_v2m_stage2() { walked base v2m smmuv2 2 'VECTORS=32'; }
smmuv1_its()        { walked base its smmuv1 2 ''; }
smmuv1_v2m()        { walked base v2m smmuv1 2 'VECTORS=32'; }
debug_smmuv2()      { walked debug v2m smmuv2 2 'VECTORS=32'; }
k64_smmuv2_its()    { walked 64k its smmuv2 1 ''; }
k64_smmuv2_its_stage2() { walked 64k its smmuv2 2 '' iommu_msi_smmu_test; }
k64_smmuv2_v2m_stage1() { walked 64k v2m smmuv2 1 'VECTORS=32' iommu_msi_smmu_test; }
k64_smmuv1_its()    { walked 64k its smmuv1 2 '' iommu_msi_smmu_test; }
k64_smmuv2_v2m()    { walked 64k v2m smmuv2 2 'VECTORS=32' "${TESTS_EXPOSURE[@]}" iommu_msi_smmu_test; }
# The only format of a v1 has pages of 4K
k64_smmuv1_v2m()    { walked 64k v2m smmuv1 2 'VECTORS=32' iommu_msi_smmu_test; }
smmuv2_few() { beside DISK_OF_FEW walked base its smmuv2 1 'VECTORS=3 NVME=0000:00:04.0 KILLS=200' "${TESTS_WALKED_FEW[@]}"; }
# A group with something reserved for one device, and a driver that adds vectors
smmuv2_more() {
	local EXTRA=("${GROUP_RESERVED[@]}" "${DYNAMIC[@]}")
	machine base its smmuv2 180 'WALKER=1' "${TESTS_GROUP[@]/%/,-F,refused,-F,refused_move}" "${TESTS_DYNAMIC[@]}"
}
faults_smmuv2() { beside DISK_OF_FEW walked debug v2m smmuv2 1 'VECTORS=3' "${TESTS_WALKED_FAULTS[@]}"; }

# Programs of 32 bits on a kernel of 64. iommufd, also that of the base, has no calls
# for them.
programs_32bit() {
	local EXTRA=(--add "$BUILD/programs/32bit")
	scripts/programs.sh 32bit
	machine base its smmuv3 180 '' "${TESTS_32BIT[@]}"
}

# With a thread a CPU, for races
debug_its() {
	local EXTRA=(--threads) SUITES=1
	machine debug its smmuv3 900 ''
}
debug_v2m()   { machine debug v2m smmuv3 600 'VECTORS=32'; }
k64_its() {
	local SUITES=1
	machine 64k its smmuv3 300 ''
}
k64_v2m()     { machine 64k v2m smmuv3 180 '' "${TESTS_EXPOSURE[@]}"; }

# Every allocation fails once, and every step, of whatever sets up an interrupt
faults_its() { beside DISK_OF_FEW machine debug its smmuv3 1500 'VECTORS=3' "${TESTS_FAULTS[@]}"; }
faults_v2m() { beside DISK_OF_FEW machine debug v2m smmuv3 1500 'VECTORS=3' "${TESTS_FAULTS[@]}"; }

faults_ls_scfg() {
	local EXTRA=("${DISK_OF_FEW[@]}" "${LS_SCFG[@]}") RUN=/tests/iommu_msi_step_test
	machine debug v2m smmuv3 900 'VECTORS=3' "${STEPS_LS_SCFG[@]}"
}

# Doorbells of two MSI controllers in one domain
two_controllers_its() { beside TWO_CONTROLLERS_ITS machine base its smmuv3 120 '' "${TESTS_TWO_CONTROLLERS[@]}"; }
two_controllers_v2m() { beside TWO_CONTROLLERS_V2M machine base v2m smmuv3 120 '' "${TESTS_TWO_CONTROLLERS[@]}"; }

# A device that vhost-vdpa owns
vhost_vdpa_its() { beside VDPA_DEVICE machine base its smmuv3 180 '' "${TESTS_VDPA[@]}"; }
debug_vhost_vdpa() {
	beside VDPA_DEVICE machine debug its smmuv3 900 '' "${TESTS_VDPA[@]}" "${TESTS_VDPA_FAULTS[@]}"
}
vhost_vdpa_v2m() { beside VDPA_DEVICE machine base v2m smmuv3 180 'ISOLATED=0' "${TESTS_VDPA[@]}"; }

# vdpa_guest <kernel> <gic> <its version> [<option of vdpa-report>...]: a KVM guest's
# network device
vdpa_guest() {
	local host=$CHECK_DIR/host log=$CHECK_DIR/$1.log emulator
	scripts/root.sh
	scripts/programs.sh
	rm -rf "$host"
	guest_root base "$host" "$CHECK_DIR" vdpa-guest "$BUILD/programs/root/demo/vdpa-demo"
	cp "$BUILD/programs/root/demo/vdpa-demo" "$host/demo/"
	# Debian 13's 10.0.13 begins with queues of 1,024 entries, vp_vdpa takes 256
	guest_qemu bookworm
	# The guest's memory may be in as many pieces as it has pages
	scripts/boot.sh --profile "$1" --gic "$2" --kvm "${VDPA_DEVICE[@]}" --add "$host" "${emulator[@]}" \
		--run "sh /demo/host $3 vdpa" --append vhost_vdpa.max_iotlb_entries=65536 \
		--log "$log" --timeout 240
	rm -rf "$host" "$CHECK_DIR"/guest*
	tools/boot/vdpa-report "${@:4}" "$log"
}
vhost_vdpa_guest_its() { vdpa_guest base its 3; }
# A GICv2m isolates nothing: the same with the series and without
vhost_vdpa_guest_v2m() {
	vdpa_guest base v2m 2 -v unmapped=1
	vdpa_guest vanilla v2m 2 -v unmapped=1 -v table=absent
}

# A group that has something reserved for one of its devices; and memory cgroups
group_reserved_its() {
	# With a thread a CPU, for a race
	local EXTRA=("${GROUP_RESERVED[@]}" --threads)
	machine base its smmuv3 120 MOVES=4000 "${TESTS_GROUP[@]}"
}
debug_group_reserved() {
	beside GROUP_RESERVED machine debug its smmuv3 600 FIRST_REFUSES=1 "${TESTS_GROUP[@]}" "${TESTS_MEMORY[@]}"
}
group_reserved_v2m() { beside GROUP_RESERVED machine base v2m smmuv3 120 '' "${TESTS_GROUP[@]}"; }

# UEFI firmware, and a machine that ACPI describes
acpi_its() { beside ACPI machine server its smmuv3 300 ''; }
acpi_v2m() { beside ACPI machine server v2m smmuv3 300 'VECTORS=32'; }

# Its firmware reserves memory where the default window is
relaxable() {
	local tables=$CHECK_DIR/tables EXTRA print
	# shellcheck disable=SC2016
	print='dmesg -n 1
for name in IORT DSDT; do
	echo "acpi-table: $name $(base64 -w 0 /sys/firmware/acpi/tables/$name)"
done'
	scripts/boot.sh --profile server --gic "$1" "${ACPI_RESERVED[@]}" --run "$print" \
		--log "$CHECK_DIR/tables.log" --timeout 120
	tools/boot/acpi-tables "$CHECK_DIR/tables.log" "$tables"
	EXTRA=("${ACPI_RESERVED[@]}" --add "$tables")
	machine server "$1" smmuv3 300 "$2" "${TESTS_SMMU[@]}" reserved-test "${TESTS[@]}" \
		"${TESTS_TRANSLATED[@]}"
}
relaxable_its() { relaxable its ''; }
relaxable_v2m() { relaxable v2m 'VECTORS=32'; }

# CPUs, sleep, and devices that come and go
life_its() { beside FUNCTIONS machine server its smmuv3 300 '' "${TESTS_LIFE[@]}"; }
life_v2m() { beside FUNCTIONS machine server v2m smmuv3 300 '' "${TESTS_LIFE[@]}"; }

# Another kernel starts while devices are assigned. It has to leave alone the tables that a
# GICv3 goes on using, also that of the base: UEFI's memory map is what tells it.
life_kexec() {
	local root=$CHECK_DIR/root RUN='sh /tests/run-kexec' EXTRA
	scripts/root.sh programs kexec
	mkdir -p "$root"
	cp "$KBUILD/server/arch/arm64/boot/Image" "$root/"
	EXTRA=("${ACPI[@]}" --append retain_initrd --add "$root" --add "$BUILD/root-programs/kexec")
	machine server its smmuv3 300 '' "${TESTS_KEXEC[@]}"
}

# A driver in the kernel adds vectors
dynamic_its() { beside DYNAMIC machine base its smmuv3 120 '' "${TESTS_DYNAMIC[@]}"; }
dynamic_v2m() { beside DYNAMIC machine base v2m smmuv3 120 '' "${TESTS_DYNAMIC[@]}"; }

# A process is killed at any point, a thousand times; less often with KASAN. The
# machines with an ITS have a thread a CPU.
killed() {
	local EXTRA=("${DISK_OF_FEW[@]}")
	[ "$2" != its ] || EXTRA+=(--threads)
	machine "$1" "$2" smmuv3 "$3" "NVME=0000:00:04.0 KILLS=$4" "${TESTS_KILL[@]}"
}
killed_its()       { killed base its 400 1000; }
killed_v2m()       { killed base v2m 400 1000; }
debug_killed_its() { killed debug its 900 100; }
debug_killed_v2m() { killed debug v2m 900 100; }

# Resets of the host's disk, which is swapped to, beside readers and owners
# shellcheck disable=SC2054
contention() {
	local EXTRA=(--device edu,addr=4)
	machine debug its smmuv3 900 'SWAP=yes' "${TESTS_CONTENTION[@]}"
}

# The examples say that this kernel cannot do it
examples_of_base() { machine vanilla its smmuv3 120 'BASE=1' examples-test; }

# All that can be a module is one, and goes and comes back
# shellcheck disable=SC2153
modules() {
	local profile=check-modules lib EXTRA RUN="sh /tests/run-modules $2"
	lib=$CHECK_DIR/root/lib/modules/$(cat "$KBUILD/$profile/include/config/kernel.release")
	mkdir -p "$lib"
	(cd "$KBUILD/$profile" && sed 's/o$/ko/' modules.order | xargs cp -t "$lib")
	EXTRA=(--add "$CHECK_DIR/root" "${@:5}")
	machine "$profile" "$1" "$3" 300 "$4"
	rm -r "$CHECK_DIR/root"
}
modules_its()    { modules its arm_smmu_v3 smmuv3 "VDPA_TEST=${TESTS_VDPA[*]}" "${VDPA_DEVICE[@]}"; }
modules_v2m()    { modules v2m arm_smmu_v3 smmuv3 'VECTORS=32'; }
modules_virtio() { modules its virtio_iommu virtio 'DOORBELLS=0'; }

# What the series repairs: its tests fail without it
faults_of_base() { MSI_OUT=$CHECK_DIR/out scripts/faults.sh; }

# What the command line and the device tree say of the window
window_parameter() {
	local log name append changes command
	for name in "${WINDOW_CASES[@]}"; do
		window_case "$name"
		log=$CHECK_DIR/$name.ktap
		scripts/boot.sh --profile base --append "$append" "${changes[@]}" --add "$BUILD/programs/root" \
			--run "$command" --log "$log" --timeout 120
	done
}

NEEDS=(prepare/root prepare/programs)
check smmuv3-its base_its 300 kernels/base "${NEEDS[@]}"
check smmuv3-v2m base_v2m 300 kernels/base "${NEEDS[@]}"
check virtio-its base_virtio 300 kernels/base "${NEEDS[@]}"
check noiommu-its noiommu_its 300 kernels/base "${NEEDS[@]}"
check noiommu-v2m noiommu_v2m 300 kernels/base "${NEEDS[@]}"
check 32bit-smmuv3-its programs_32bit 300 kernels/base "${NEEDS[@]}"
check two-controllers-its two_controllers_its 300 kernels/base "${NEEDS[@]}"
check two-controllers-v2m two_controllers_v2m 300 kernels/base "${NEEDS[@]}"
check group-reserved-its group_reserved_its 300 kernels/base "${NEEDS[@]}"
check group-reserved-v2m group_reserved_v2m 300 kernels/base "${NEEDS[@]}"
check debug-group-reserved-its debug_group_reserved 1200 kernels/debug "${NEEDS[@]}"
check acpi-smmuv3-its acpi_its 300 kernels/server "${NEEDS[@]}"
check acpi-smmuv3-v2m acpi_v2m 300 kernels/server "${NEEDS[@]}"
check acpi-relaxable-its relaxable_its 300 kernels/server "${NEEDS[@]}"
check acpi-relaxable-v2m relaxable_v2m 300 kernels/server "${NEEDS[@]}"
check life-its life_its 300 kernels/server "${NEEDS[@]}"
check life-v2m life_v2m 300 kernels/server "${NEEDS[@]}"
check life-kexec-its life_kexec 300 kernels/server "${NEEDS[@]}"
# They have a kernel of their own
when_asked acpi-smmuv3-its acpi-smmuv3-v2m acpi-relaxable-its acpi-relaxable-v2m life-its life-v2m life-kexec-its
check dynamic-its dynamic_its 300 kernels/base "${NEEDS[@]}"
check dynamic-v2m dynamic_v2m 300 kernels/base "${NEEDS[@]}"
check smmuv2-its smmuv2_its 300 kernels/base "${NEEDS[@]}"
check smmuv2-v2m smmuv2_v2m 300 kernels/base "${NEEDS[@]}"
check smmuv2-its-stage2 smmuv2_its_stage2 300 kernels/base "${NEEDS[@]}"
check smmuv2-v2m-stage2 smmuv2_v2m_stage2 300 kernels/base "${NEEDS[@]}"
check smmuv2-few smmuv2_few 300 kernels/base "${NEEDS[@]}"
check smmuv2-more smmuv2_more 300 kernels/base "${NEEDS[@]}"
check smmuv1-its smmuv1_its 300 kernels/base "${NEEDS[@]}"
check smmuv1-v2m smmuv1_v2m 300 kernels/base "${NEEDS[@]}"
check debug-smmuv3-its debug_its 1200 kernels/debug "${NEEDS[@]}"
check debug-smmuv3-v2m debug_v2m 1200 kernels/debug "${NEEDS[@]}"
check debug-smmuv2-v2m debug_smmuv2 1500 kernels/debug "${NEEDS[@]}"
check window-parameter window_parameter 300 kernels/base "${NEEDS[@]}"
check faults-smmuv3-its faults_its 1800 kernels/debug "${NEEDS[@]}"
check faults-smmuv3-v2m faults_v2m 1800 kernels/debug "${NEEDS[@]}"
check faults-smmuv2-v2m faults_smmuv2 1500 kernels/debug "${NEEDS[@]}"
check faults-smmuv3-ls-scfg faults_ls_scfg 1200 kernels/debug "${NEEDS[@]}"
check 64k-smmuv3-its k64_its 600 kernels/64k "${NEEDS[@]}"
check 64k-smmuv3-v2m k64_v2m 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv2-its k64_smmuv2_its 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv2-v2m k64_smmuv2_v2m 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv2-its-stage2 k64_smmuv2_its_stage2 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv2-v2m-stage1 k64_smmuv2_v2m_stage1 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv1-its k64_smmuv1_its 300 kernels/64k "${NEEDS[@]}"
check 64k-smmuv1-v2m k64_smmuv1_v2m 300 kernels/64k "${NEEDS[@]}"
check vhost-vdpa-its vhost_vdpa_its 300 kernels/base "${NEEDS[@]}"
check vhost-vdpa-v2m vhost_vdpa_v2m 300 kernels/base "${NEEDS[@]}"
check debug-vhost-vdpa-its debug_vhost_vdpa 1200 kernels/debug "${NEEDS[@]}"
check vhost-vdpa-guest-its vhost_vdpa_guest_its 300 kernels/base "${NEEDS[@]}"
check vhost-vdpa-guest-v2m vhost_vdpa_guest_v2m 300 kernels/base kernels/vanilla "${NEEDS[@]}"
check modules-smmuv3-its modules_its 300 builds/modules "${NEEDS[@]}"
check modules-smmuv3-v2m modules_v2m 300 builds/modules "${NEEDS[@]}"
check modules-virtio-its modules_virtio 300 builds/modules "${NEEDS[@]}"
check killed-smmuv3-its killed_its 600 kernels/base "${NEEDS[@]}"
check killed-smmuv3-v2m killed_v2m 600 kernels/base "${NEEDS[@]}"
check debug-killed-smmuv3-its debug_killed_its 1200 kernels/debug "${NEEDS[@]}"
check debug-killed-smmuv3-v2m debug_killed_v2m 1200 kernels/debug "${NEEDS[@]}"
check contention contention 1200 kernels/debug "${NEEDS[@]}"
check examples-of-base examples_of_base 300 kernels/vanilla "${NEEDS[@]}"
check faults-of-base faults_of_base 1200 kernels/vanilla "${NEEDS[@]}"
