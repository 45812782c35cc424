# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The forms of the demo: its KVM guest on the three machines that it knows,
# another default window, a user-space driver that moves its window, and what
# the unpatched kernel makes of these two.

MOVED=0xfe000000-0xfe0fffff
OWNED=0x10000000

demo() { env GIC=its IOMMU=smmuv3 APERTURE= WINDOW= BASE= STAGE= PAGES= "$@" scripts/demo.sh; }

# demo_refused <reason, a pattern> <variable=value...>
demo_refused() {
	local pattern=$1 said
	shift
	if said=$(demo "$@" 2>&1); then
		die "the demo passed with $*" "it must fail"
	fi
	printf '%s\n' "$said"
	if ! grep -q -E "error: .*$pattern" <<<"$said"; then
		die "the demo failed for another reason with $*" "expected: $pattern"
	fi
}

demo_arguments_refused() {
	demo_refused 'is not a range' APERTURE=0xfe000000
	demo_refused 'is not an address' APERTURE=fe000000-fe0fffff
	demo_refused 'ends before it starts' APERTURE=0xfe0fffff-0xfe000000
	demo_refused 'whole units of 64 KiB' APERTURE=0xfe000000-0xfe000fff
	demo_refused 'memory of the demo.s guest' APERTURE=0x40000000-0x4000ffff
	demo_refused 'PCI window of the host' APERTURE=0x3ef00000-0x3effffff
	demo_refused 'beyond 48 bits' WINDOW=0x1000000000000
	demo_refused 'whole units of 4 KiB' WINDOW=0x10000000-0x10000100
	demo_refused 'overlaps 0x0000000008000000' WINDOW=0x80ff000
	demo_refused 'two forms' "APERTURE=$MOVED" "WINDOW=$OWNED"
	demo_refused 'WINDOW needs IOMMU=smmuv3' "WINDOW=$OWNED" IOMMU=virtio
	demo_refused 'BASE=1 is for' BASE=1
	demo_refused 'nothing to show' BASE=1 "APERTURE=$MOVED" IOMMU=virtio
	demo_refused 'form of the demo by itself' IOMMU=smmuv2 "WINDOW=$OWNED"
	demo_refused 'STAGE=1 is not known for IOMMU=smmuv1' IOMMU=smmuv1 STAGE=1
	demo_refused 'PAGES=16K is not known' IOMMU=smmuv2 PAGES=16K
	demo_refused 'STAGE and PAGES are for' PAGES=64K
}

demo_its()    { demo; }
demo_v2m()    { demo GIC=v2m; }
demo_virtio() { demo IOMMU=virtio; }
demo_smmuv2() { demo IOMMU=smmuv2; }
demo_smmuv2_v2m() { demo IOMMU=smmuv2 GIC=v2m; }
demo_smmuv1_v2m() { demo IOMMU=smmuv1 GIC=v2m; }
demo_smmuv2_64k() { demo IOMMU=smmuv2 PAGES=64K STAGE=2; }
demo_smmuv2_v2m_64k() { demo IOMMU=smmuv2 GIC=v2m PAGES=64K; }
demo_aperture() { demo "APERTURE=$MOVED"; }
demo_aperture_virtio() { demo "APERTURE=$MOVED" IOMMU=virtio; }
demo_window() { demo "WINDOW=$OWNED"; }
demo_window_v2m() { demo "WINDOW=$OWNED" GIC=v2m; }
demo_base_aperture() {
	demo_refused 'unpatched kernel has a fixed window: .* still 0x0000000008000000 to 0x00000000080fffff' \
		BASE=1 "APERTURE=$MOVED"
}
demo_base_window() {
	demo_refused 'unpatched kernel does not let .*[(]EINVAL by VFIO type1, ENOTTY by iommufd[)] .*[(]EINVAL, EINVAL[)]' \
		BASE=1 "WINDOW=$OWNED"
}

one_by_one
NEEDS=(prepare/root prepare/programs)
check smmuv3-its demo_its 300 kernels/base "${NEEDS[@]}"
check smmuv3-v2m demo_v2m 300 kernels/base "${NEEDS[@]}"
check virtio-its demo_virtio 300 kernels/base "${NEEDS[@]}"
check smmuv2-its demo_smmuv2 300 kernels/base "${NEEDS[@]}"
check smmuv2-v2m demo_smmuv2_v2m 300 kernels/base "${NEEDS[@]}"
check smmuv1-v2m demo_smmuv1_v2m 300 kernels/base "${NEEDS[@]}"
check smmuv2-64k demo_smmuv2_64k 300 kernels/64k "${NEEDS[@]}"
check smmuv2-v2m-64k demo_smmuv2_v2m_64k 300 kernels/64k "${NEEDS[@]}"
check arguments demo_arguments_refused 60
check aperture demo_aperture 300 kernels/base "${NEEDS[@]}"
check aperture-virtio demo_aperture_virtio 300 kernels/base "${NEEDS[@]}"
check window demo_window 300 kernels/base "${NEEDS[@]}"
check window-v2m demo_window_v2m 300 kernels/base "${NEEDS[@]}"
check base-aperture demo_base_aperture 300 kernels/vanilla "${NEEDS[@]}"
check base-window demo_base_window 300 kernels/vanilla "${NEEDS[@]}"
