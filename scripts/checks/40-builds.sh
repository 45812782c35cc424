# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The series in the configurations that no profile has. Where vmlinux
# and every module are linked, no symbol is missing, and none that a module uses
# is not exported.

. "$ROOT/scripts/checks/common.sh"

check modules builds_modules 1800 kernels/base
check arm-lpae builds_arm 1200 prepare/tree
check nomsi builds_nomsi 1200 builds/arm-lpae
check 32bit builds_32bit 900 prepare/tree
check x86_64 builds_x86_64 900 prepare/tree
check noapi builds_noapi 900 prepare/tree
check clang builds_clang 900 prepare/tree

# build <arch> <name> <targets, in one word> <fragments...>; FROM names the build
# whose objects do where nothing differs
FROM=
build() {
	local arch=$1 out=$KBUILD/check-$2 targets
	read -r -a targets <<<"$3"
	shift 3
	need_disk 1 "$KBUILD" "the build for $arch"
	if [ -n "$FROM" ] && [ ! -e "$out/.config" ]; then
		adopt "$KBUILD/$FROM" "$KTREE" "$out" "$KTREE"
	fi
	kconfigure "$arch" "$KTREE" "$out" "$@"
	in_effect "$out"
	kmake "$arch" "$KTREE" "$out" "${targets[@]}" || die "does not build for $arch"
}

# Whatever can be a module is one: modpost sees each use of a symbol. It boots, too.
SEPARATE=(configs/base.config configs/kunit.config "$CONFIGS/arm64.config" "$CONFIGS/modules.config")

builds_modules() {
	local FROM=base
	build arm64 modules syncconfig "${SEPARATE[@]}"
	# As a module or built in, IOMMUFD is the same to sched/user.h, which all include
	touch -r "$KBUILD/check-modules/include/config/"{PCI,IOMMUFD}
	build arm64 modules 'Image modules' "${SEPARATE[@]}"
	# What its test modules are built on, as of each kernel that boots
	{ cat "$KBUILD/check-modules/.config"; kgit rev-parse HEAD; } >"$KBUILD/check-modules/.built"
	scripts/programs.sh modules check-modules
}
# Of 32 bits: what divides 64 bits by 64 is seen by the linker alone.
builds_arm() {
	build arm arm 'vmlinux modules' "$CONFIGS/arm.config"
}

builds_nomsi() {
	local FROM=check-arm
	build arm nomsi 'vmlinux modules' "$CONFIGS/arm.config" "$CONFIGS/nomsi.config"
	! grep -o 'msi-iommu[^ ]*' "$KBUILD/check-nomsi/drivers/iommu/.built-in.a.cmd" ||
		die "no irqchip needs msi-iommu, and it is compiled all the same"
}

# Where physical and DMA addresses have 32 bits, too, the warnings are what counts.
builds_32bit() {
	local dirs
	dirs=$(touched_dirs | paste -sd' ')
	build arm arm-short "$dirs" "$CONFIGS/arm.config" "$CONFIGS/arm-short.config"
	build i386 i386 "$dirs" "$CONFIGS/x86_64.config" "$CONFIGS/i386.config"
}

# The stubs, and another compiler, for symbols that the above have linked: what
# is touched is compiled, no more; vDPA, which uses it, is linked with that.
builds_x86_64() {
	local dirs
	mapfile -t dirs < <({ touched_dirs; printf '%s\n' drivers/vdpa/ drivers/vhost/; } | sort -u)
	build x86_64 x86_64 "${dirs[*]}" "$CONFIGS/x86_64.config"
	modpost_dirs x86_64 "$KBUILD/check-x86_64" '' "${dirs[@]}"
}
# A machine without any IOMMU has MSIs, and vDPA devices of software.
builds_noapi() {
	build x86_64 noapi 'kernel/irq/ drivers/pci/msi/ drivers/vdpa/ drivers/vhost/ virt/' \
		"$CONFIGS/noapi.config"
	! grep -q '^CONFIG_IOMMU_API=y' "$KBUILD/check-noapi/.config" || die "something needs an IOMMU"
}
builds_clang() {
	build clang clang "$(touched_dirs | paste -sd' ')" \
		configs/base.config configs/kunit.config "$CONFIGS/arm64.config" "$CONFIGS/werror.config"
}
