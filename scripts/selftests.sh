# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2054
#
# The selftests in a machine that scripts/boot.sh starts: what the checks,
# matrix.sh, faults.sh and coverage.sh share. Source it after lib.sh.

TESTS=(iommu_msi_test iommu_msix_test iommu_msi_share_test iommu_msi_modules_test examples-test)
# Where doorbells are translated, and where they bypass the IOMMU
TESTS_TRANSLATED=(iommu_msi_full_test iommu_msi_window_test iommu_msi_container_test iommu_msi_lsmsi_test)
# These come first: on a GICv2m, also on the base, the interrupt of the SMMU's event
# queue does not arrive any more once a device has had 32 vectors
TESTS_SMMU=(iommu_msi_attack_test)
TESTS_BYPASS=(iommu_msi_bypass_test)
TESTS_NOIOMMU=(iommu_msi_noiommu_test)	# with DISK=no: the disk has no IOMMU either
# Where an SMMU's registers are memory (smmu.sh). A walker tells from them where
# interrupts go. This SMMU does not translate, so tests that have a disk use memory
# are left out: some cases of iommu_msix_test, iommu_msi_attack_test, and
# iommu_msi_vdpa_test. So are the examples, whose message must go through their window.
#
# The driver finishes a domain at its first attach. Before that the domain has no IOVA,
# and iommufd, also that of the base, can add it to an empty IOAS alone. So these are
# left out, too: cases that make a HWPT (two_domains, detached, reservation), those
# that replace a domain where memory is mapped (killed by iommufd), and those in which
# a replacement fails after the attach (page_table, live_msi).
TESTS_WALKED=(iommu_msi_smmu_test iommu_msi_test iommu_msix_test,-T,interrupts,-T,dynamic
	iommu_msi_share_test iommu_msi_full_test iommu_msi_lsmsi_test
	iommu_msi_container_test iommu_msi_modules_test
	iommu_msi_window_test,-T,two_domains,-T,detached)
TESTS_WALKED_FEW=(iommu_msi_step_test,-T,reservation,-T,reservation_elsewhere,-T,page_table
	iommu_msi_kill_test,-r,killed.type1.anywhere,-f,closed)	# with DISK_OF_FEW
TESTS_WALKED_FAULTS=(iommu_msi_fail_nth_test,-T,live_msi,-F,vhost)
TESTS_EXPOSURE=(iommu_msi_exposure_test)	# pages of 64K, a frame of 4K
TESTS_FAULTS=(iommu_msi_fail_nth_test,-F,vhost iommu_msi_step_test)
TESTS_KILL=(iommu_msi_kill_test)	# KILLS says how often, a thousand times otherwise
TESTS_CONTENTION=(iommu_msi_contention_test)	# RESETS says how many; needs SWAP=yes
TESTS_MEMORY=(iommu_msi_memory_test)	# in the debug kernel, which has memory cgroups
TESTS_VDPA=(iommu_msi_vdpa_test)	# with VDPA_DEVICE
TESTS_VDPA_FAULTS=(iommu_msi_fail_nth_test,-f,vhost)	# with it, too
# A virtio network device behind the IOMMU, whose packets QEMU itself answers
VDPA_DEVICE=(--netdev user,id=net
	--device virtio-net-pci,addr=5,netdev=net,iommu_platform=on,disable-legacy=on,romfile=)
# For tests that enable all vectors of a disk some hundred times: a disk with few
DISK_OF_FEW=(--device nvme,addr=4,serial=few,max_ioqpairs=7,msix_qsize=8)
# An LS-SCFG, at an address that no machine uses. QEMU has no model of it: vectors can
# be enabled, but none is raised.
LS_SCFG_NODE=(--fdt '-c /msi@90f0000'
	--fdt '-ts /msi@90f0000 compatible fsl,ls1046a-msi'
	--fdt '-tx /msi@90f0000 reg 0 90f0000 0 1000'
	--fdt '-tx /msi@90f0000 msi-controller'
	--fdt '-tx /msi@90f0000 interrupts 0 d0 4 0 d1 4'
	--fdt '-tx /msi@90f0000 phandle 9000')
# Instead of the GICv2m. Without interrupts the host's own disk driver would hang.
LS_SCFG=(--gic v2m --append initcall_blacklist=nvme_init
	--fdt '-r /intc@8000000/v2m@8020000' "${LS_SCFG_NODE[@]}"
	--fdt '-tx /pcie@10000000 msi-map 0 9000 0 10000')
# Beside the machine's own controller, for the devices 00:05.0 and 00:06.0 alone. An
# LS-SCFG does not isolate interrupts.
TWO_CONTROLLERS=("${LS_SCFG_NODE[@]}" --append iommufd.allow_unsafe_interrupts=1
	--fdt '-tx /pcie@10000000 msi-map 0 9001 0 28 28 9000 28 10 38 9001 38 ffc8'
	--device edu,addr=4 --device edu,addr=5 --device edu,addr=6)
TWO_CONTROLLERS_ITS=("${TWO_CONTROLLERS[@]}" --fdt '-tx /intc@8000000/its@8080000 phandle 9001')
TWO_CONTROLLERS_V2M=("${TWO_CONTROLLERS[@]}" --fdt '-tx /intc@8000000/v2m@8020000 phandle 9001')
TESTS_TWO_CONTROLLERS=(iommu_msi_controllers_test)
TESTS_32BIT=(iommu_msi_attack_test,-v,type1 iommu_msi_test,-v,type1 iommu_msix_test,-v,type1
	iommu_msi_share_test,-v,type1 iommu_msi_modules_test iommu_msi_full_test,-v,type1
	iommu_msi_window_test,-v,type1,-f,type1)
# Two functions in one group; firmware reserves what is the window's first page elsewhere
# for the second alone
GROUP_RESERVED=(--device 'edu,addr=5.0,multifunction=on' --device 'edu,addr=5.1'
	--fdt '-c /pcie@10000000/edu@5,1'
	--fdt '-tx /pcie@10000000/edu@5,1 reg 2900 0 0 0 0'
	--fdt '-tx /pcie@10000000/edu@5,1 phandle 9003'
	--fdt '-tx /pcie@10000000/edu@5,1 memory-region 9004'
	--fdt '-cp /reserved-memory/edu' --fdt '-tx /reserved-memory #address-cells 2'
	--fdt '-tx /reserved-memory #size-cells 2' --fdt '-tx /reserved-memory ranges'
	--fdt '-tx /reserved-memory/edu phandle 9004'
	--fdt '-tx /reserved-memory/edu iommu-addresses 9003 2000000 0 8000000 0 1000')
TESTS_GROUP=(iommu_msi_group_test)
# A device of five vectors that a driver in the kernel can have raised
DYNAMIC=(--device e1000e,addr=7,romfile=)
TESTS_DYNAMIC=(iommu_msi_dynamic_test)
ACPI=(--acpi)	# a machine that UEFI firmware describes
# The same with tables of tools/boot/acpi-tables
ACPI_RESERVED=(--acpi --device edu,addr=4)
# Beside the others a disk with virtual functions, below a port
FUNCTIONS=(--device pcie-root-port,id=root,chassis=1,addr=6 --device nvme-subsys,id=subsystem
	--device nvme,bus=root,serial=functions,subsys=subsystem,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=4)
TESTS_LIFE=(iommu_msi_life_test)	# of a machine; with FUNCTIONS
TESTS_KEXEC=(iommu_msi_test iommu_msix_test)	# after kernels that have gone, see run-kexec
# An LS-SCFG cannot add vectors, and has no function for a free one that could fail
STEPS_LS_SCFG=(-V type1_event -V iommufd_event -t enable)

# with_tests <profile>: sets $adds, boot.sh's arguments that put the tests and the
# modules for that profile's kernel over a machine's root. build.sh must have run.
with_tests() {
	"$ROOT/scripts/programs.sh"
	"$ROOT/scripts/programs.sh" modules "$1"
	adds=(--add "$BUILD/programs/root" --add "$BUILD/programs/$1")
}

# The KUnit suites of the series, run by a kernel that boots
KUNIT='kunit.enable=1 kunit.filter_glob=iommu_msi*'
KUNIT_SUITES=(iommu_msi)

# suites_ran <log>: fails if a suite did not run, of which the report says nothing
suites_ran() {
	local suite
	for suite in "${KUNIT_SUITES[@]}"; do
		grep -aq "ok [0-9]* $suite\$" "$1" || die "suite $suite did not run to its end" "" "$1"
	done
}

WINDOW_CASES=(named doubtful out_of_reach malformed dma_ranges bridge_reserved)

# window_case <one of them>: sets $append, for the kernel's command line, $changes, for
# the machine's device tree, and $command, which checks the window that follows
window_case() {
	local default='0x0000000008000000 0x00000000080fffff' value read region message
	changes=()
	case $1 in
	named)
		value=0xfe000000-0xfe0fffff read=$value message="msi_iommu.window=$value"
		region='0x00000000fe000000 0x00000000fe0fffff'
		;;
	doubtful)	# the memory of PCI devices
		value=0x10000000-0x100fffff read=$value
		region='0x0000000010000000 0x00000000100fffff'
		message="msi_iommu.window meets a bridge or relaxed region: MSIs may be lost
msi_iommu.window=$value"
		;;
	out_of_reach)	# of an IOMMU with addresses of 48 bits
		value=0x1000000000000-0x10000000fffff read=$value region=$default
		message="msi_iommu.window=$value
msi_iommu.window=$value is reserved or out of reach"
		;;
	malformed)
		value=0xfe000000-0xfe0ffffe read='' region=$default
		message="msi_iommu.window=$value is not <first>-<last>, inclusive, in multiples of 0x10000: ignored"
		;;
	dma_ranges)	# the host bridge lets through what is for 1 to 3 GiB
		value='' read='' message=''
		region='0x00000000bff00000 0x00000000bfffffff'
		changes=(--fdt '-tx /pcie@10000000 dma-ranges 2000000 0 40000000 0 40000000 0 80000000')
		;;
	bridge_reserved)
		value='' read='' message=''
		region='0x0000000008100000 0x00000000081fffff'
		changes=(--fdt '-tx /pcie@10000000 phandle 9001' --fdt '-c /reserved-memory'
			--fdt '-tx /reserved-memory #address-cells 2' --fdt '-tx /reserved-memory #size-cells 2'
			--fdt '-tx /reserved-memory ranges' --fdt '-c /reserved-memory/bridge'
			--fdt '-tx /reserved-memory/bridge iommu-addresses 9001 0 8000000 0 1000'
			--fdt '-tx /reserved-memory/bridge phandle 9002'
			--fdt '-tx /pcie@10000000 memory-region 9002')
		;;
	esac
	append=${value:+msi_iommu.window=$value}
	command="sh /tests/window-parameter '$read' '$region' '$message'"
}
