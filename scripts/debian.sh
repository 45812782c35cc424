# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153
#
# Where Debian's packages are, and the configurations of its arm64 kernels, from their
# linux-headers packages. Source it after lib.sh and patchset.sh.

# The machine's own mirrors of Debian and of its security updates
mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk -v label="$1" '{ uri = $1; $1 = "" } $0 == " Debian " label { print uri; exit }'
}

DEBIAN=$BUILD/debian	# package lists and packages of arm64, beside the machine's own

# apt_beside <directory>: sets APT_ARM64, options with which apt has lists and packages of
# arm64 there, beside the machine's own
apt_beside() {
	mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
	: >>"$1/status"
	APT_ARM64=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64
		-o "Dir::State=$1" -o "Dir::State::Lists=$1/lists"
		-o "Dir::State::status=$1/status" -o "Dir::Cache=$1/cache"
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2)
}

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
	apt_beside "$DEBIAN/apt"
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

# The distribution's choice, without what takes time and changes no symbol, and with a
# key for modules that is made with the kernel
debian_config() {
	sed -E '/^CONFIG_(MODVERSIONS|MODULE_SIG_KEY|DEBUG_INFO[A-Z0-9_]*)=/d' "$1"
	printf 'CONFIG_DEBUG_INFO_NONE=y\n# CONFIG_MODVERSIONS is not set\n'
}
