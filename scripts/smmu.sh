# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# An SMMUv1 or v2 for QEMU's virt machine, which has no model of one: its registers
# are memory that keeps what the driver writes. Source it after lib.sh.
#
# The driver finds what it looks for: the identification registers, which QEMU
# writes at each reset, with zeros for all else, and zeros where it waits for the
# SMMU to be done. Nothing is translated: a device's writes go to the IOVA.
# tools/testing/lib/smmu.c tells from the registers where they would have gone.
#
#	SMMU_AT		where it is: between the kernel and its initial root

SMMU_AT=0x47e00000
SMMU_SIZE=0x20000	# 2 * 16 pages, as ID1 says
SMMU_BANKS=16
SMMU_PHANDLE=9001
SMMU_SPI=4a		# of QEMU's SMMUv3, which is not there: nothing raises it

# Stream matching by 32 registers, IDs of 15 bits, coherent table walks. A v1 has
# stage 2 alone: by stage 1 of a v1, and of a v2 without ATOSNS, the driver has the
# SMMU translate addresses for it, and would take what memory holds for the answer.
declare -A SMMU_ID0=([smmuv1]=0x28015e20 [smmuv2]=0x6f005e20)
# 16 pages before the context banks, pages of 4K
SMMU_ID1=$((0x30000000 | SMMU_BANKS))
# 40 bits; 48 bits, in AArch64's formats with granules of 4K, 16K and 64K
declare -A SMMU_ID2=([smmuv1]=0x22 [smmuv2]=0x7555)

smmu_in_memory() { case $1 in smmuv1 | smmuv2) ;; *) return 1 ;; esac; }

# smmu_word <file> <offset> <value>: little-endian
smmu_word() {
	local bytes
	printf -v bytes '\\x%02x' $(($3 & 255)) $(($3 >> 8 & 255)) $(($3 >> 16 & 255)) $(($3 >> 24 & 255))
	printf '%b' "$bytes" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}

# smmu_registers <smmuv1|smmuv2> <file>: the registers after a reset
smmu_registers() {
	truncate -s $((SMMU_SIZE)) "$2"
	smmu_word "$2" 0x20 "${SMMU_ID0[$1]}"
	smmu_word "$2" 0x24 "$SMMU_ID1"
	smmu_word "$2" 0x28 "${SMMU_ID2[$1]}"
}

# smmu_nodes <smmuv1|smmuv2>: puts before `changes`, by fdtput, what makes it the
# IOMMU of all PCI devices
smmu_nodes() {
	local at=${SMMU_AT#0x} size=${SMMU_SIZE#0x} interrupts='' i
	local node=/smmu@$at memory=/reserved-memory
	for ((i = 0; i <= SMMU_BANKS; i++)); do
		interrupts+=" 0 $SMMU_SPI 4"
	done
	changes=("-c $memory" "-tx $memory #address-cells 2" "-tx $memory #size-cells 2"
		"-tx $memory ranges"
		"-c $memory/smmu@$at" "-tx $memory/smmu@$at reg 0 $at 0 $size"
		"-tx $memory/smmu@$at no-map"
		"-c $node" "-ts $node compatible arm,smmu-${1#smmu}"
		"-tx $node reg 0 $at 0 $size" "-tx $node #iommu-cells 1"
		"-tx $node #global-interrupts 1" "-tx $node interrupts$interrupts"
		"-tx $node dma-coherent" "-tx $node phandle $SMMU_PHANDLE"
		"-tx /pcie@10000000 iommu-map 0 $SMMU_PHANDLE 0 8000"
		"${changes[@]}")
}
