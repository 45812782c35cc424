# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The touched directories in the configurations that no kernel is booted in.

. "$ROOT/scripts/checks/common.sh"

check nomsi builds_nomsi 900
check arm-lpae builds_arm 900
check x86_64 builds_x86_64 900
check clang builds_clang 900

# build_touched <arch> <name> <fragments...>
build_touched() {
	local arch=$1 out=$KBUILD/check-$2 dirs
	shift 2
	need_disk 1 "$KBUILD" "the build for $arch"
	mapfile -t dirs < <(touched_dirs)
	kconfigure "$arch" "$KTREE" "$out" "$@"
	in_effect "$out"
	kmake "$arch" "$KTREE" "$out" "${dirs[@]}" || die "does not build for $arch"
}

builds_nomsi() {
	build_touched arm64 nomsi configs/base.config "$CONFIGS/arm64.config" configs/nomsi.config
	! compgen -G "$KBUILD/check-nomsi/drivers/iommu/msi-iommu*.o" ||
		die "IOMMU_MSI=n and msi-iommu is compiled all the same"
}
builds_arm() { build_touched arm arm "$CONFIGS/arm.config"; }
builds_x86_64() { build_touched x86_64 x86_64 "$CONFIGS/x86_64.config"; }
builds_clang() {
	build_touched clang clang configs/base.config configs/kunit.config "$CONFIGS/arm64.config"
}
