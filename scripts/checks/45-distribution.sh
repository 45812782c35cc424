# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The series in the configurations that Debian ships for arm64: its directories
# are compiled, and modpost links their modules with what Debian's kernel
# exports. What these directories export, the series' own objects must export.

. "$ROOT/scripts/checks/common.sh"

check arm64 distribution_arm64 600 prepare/tree
check arm64-16k distribution_16k 600 prepare/tree
check rt-arm64 distribution_rt 600 prepare/tree
check cloud-arm64 distribution_cloud 600 prepare/tree

distribution_arm64() { link_with_debian arm64; }
distribution_16k()   { link_with_debian arm64-16k; }
distribution_rt()    { link_with_debian rt-arm64; }
distribution_cloud() { link_with_debian cloud-arm64; }

DEBIAN=$BUILD/debian	# package lists and packages of arm64, beside the machine's own
APT_ARM64=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64
	-o "Dir::State=$DEBIAN/apt" -o "Dir::State::Lists=$DEBIAN/apt/lists"
	-o "Dir::State::status=$DEBIAN/apt/status" -o "Dir::Cache=$DEBIAN/apt/cache"
	-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2)

# headers_package <upstream version> <flavour>: <name>=<version>, of the newest
headers_package() {
	apt-cache "${APT_ARM64[@]}" dumpavail | awk -v version="$1-" -v flavour="-$2" '
		/^Package: linux-headers-[0-9][0-9.]*[+-][^-]*-/ { name = $2 }
		/^Version: / && name != "" && index($2, version) == 1 {
			rest = name
			sub(/^linux-headers-[^-]*/, "", rest)
			if (rest == flavour)
				print name "=" $2
		}
		/^$/ { name = "" }' | sort -V | tail -n 1
}

# debian_headers <flavour>: leaves its .config and Module.symvers in
# $DEBIAN/<flavour>, those of the version that the tree is of
debian_headers() {
	local flavour=$1 version dir=$DEBIAN/$1 package
	version=$(tree_version_of base)
	mkdir -p "$DEBIAN/apt/lists/partial" "$DEBIAN/apt/cache/archives/partial"
	: >>"$DEBIAN/apt/status"
	exec 7>"$DEBIAN/.lock"
	flock 7
	if [ "$(cat "$dir/version" 2>/dev/null || true)" = "$version" ]; then
		exec 7>&-
		return
	fi
	package=$(headers_package "$version" "$flavour")
	if [ -z "$package" ]; then
		apt-get "${APT_ARM64[@]}" update ||
			die "cannot read the package lists of arm64" "no network, or a broken entry in apt's sources"
		package=$(headers_package "$version" "$flavour")
	fi
	if [ -z "$package" ]; then
		echo "skipped: apt knows no linux-headers of $version for $flavour"
		exit 4
	fi
	rm -rf "$dir" "$dir.tmp"
	mkdir -p "$dir.tmp"
	(cd "$dir.tmp" && apt-get "${APT_ARM64[@]}" download "$package") ||
		die "cannot download $package" "no network?"
	dpkg-deb --fsys-tarfile "$dir.tmp"/*.deb | tar -C "$dir.tmp" -x --strip-components=4 --wildcards \
		'./usr/src/linux-headers-*/.config' './usr/src/linux-headers-*/Module.symvers'
	rm "$dir.tmp"/*.deb
	echo "$version" >"$dir.tmp/version"
	mv "$dir.tmp" "$dir"
	exec 7>&-
}

# The distribution's choice, without what takes time and changes no symbol
debian_config() {
	sed -E '/^CONFIG_(MODVERSIONS|MODULE_SIG|DEBUG_INFO)[A-Z0-9_]*=/d; /^CONFIG_SYSTEM_TRUSTED_KEYS=/d' "$1"
	printf 'CONFIG_DEBUG_INFO_NONE=y\n# CONFIG_MODVERSIONS is not set\n# CONFIG_MODULE_SIG is not set\n'
}

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
