# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The KVM guest of the demo, on the three machines that it knows.

demo_its()    { GIC=its IOMMU=smmuv3 scripts/demo.sh; }
demo_v2m()    { GIC=v2m IOMMU=smmuv3 scripts/demo.sh; }
demo_virtio() { GIC=its IOMMU=virtio scripts/demo.sh; }

check smmuv3-its demo_its
check smmuv3-v2m demo_v2m
check virtio-its demo_virtio
