# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The series in the configurations that Debian ships for arm64: its directories
# are compiled, and modpost links their modules with what Debian's kernel
# exports. What these directories export, the series' own objects must export.

. "$ROOT/scripts/checks/common.sh"
. "$ROOT/scripts/debian.sh"

check arm64 distribution_arm64 600 prepare/tree
check arm64-16k distribution_16k 600 prepare/tree
check rt-arm64 distribution_rt 600 prepare/tree
check cloud-arm64 distribution_cloud 600 prepare/tree

distribution_arm64() { link_with_debian arm64; }
distribution_16k()   { link_with_debian arm64-16k; }
distribution_rt()    { link_with_debian rt-arm64; }
distribution_cloud() { link_with_debian cloud-arm64; }

link_with_debian() {
	local flavour=$1 out=$KBUILD/debian-$1 dirs
	debian_headers "$flavour"
	need_disk 1 "$KBUILD" "Debian's configuration $flavour"
	mkdir -p "$out"
	debian_config "$DEBIAN/$flavour/.config" >"$out/new.config"
	kmake arm64 "$KTREE" "$out" "KCONFIG_CONFIG=$out/new.config" olddefconfig
	grep -qx 'CONFIG_IOMMU_MSI=y' "$out/new.config" || die "Debian's configuration $flavour has no IOMMU_MSI"
	if ! cmp -s "$out/new.config" "$out/.config"; then
		cp "$out/new.config" "$out/.config"
	fi
	mapfile -t dirs < <({ touched_dirs; echo drivers/vhost/; } | sort -u)
	kmake arm64 "$KTREE" "$out" modules_prepare
	kmake arm64 "$KTREE" "$out" "${dirs[@]}" || die "does not build as Debian's $flavour"
	modpost_dirs arm64 "$out" "$DEBIAN/$flavour/Module.symvers" "${dirs[@]}"
}
