#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [CONFIG="fragment ..." | FLAVOUR=arm64] deb.sh
#
# Leaves Debian packages for arm64 in build/deb, all of one version:
#
#   linux-image-*, linux-headers-*, linux-libc-dev   by the kernel's own bindeb-pkg
#   lsmsi, iommu-msi-tests                           see pack_lsmsi and pack_tests
#
# The kernel's configuration is that of Debian's FLAVOUR, without what needs
# Debian's key or half of the time; or fragments on allnoconfig, as
# CONFIG="configs/base.config configs/deb.config". Its release ends with -msi-iommu,
# so that it stands beside Debian's.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"
. "$(dirname "${BASH_SOURCE[0]}")/kbuild.sh"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

OUT=$BUILD/deb
objects=$OUT/objects
flavour=${FLAVOUR:-arm64}
export DEBFULLNAME=msi-iommu DEBEMAIL=iommu@lists.linux.dev KDEB_CHANGELOG_DIST=unstable
export KBUILD_BUILD_USER=msi KBUILD_BUILD_HOST=iommu

configure_as_debian() {
	local status
	attempt debian_headers "$flavour"
	[ "$status" -eq 0 ] ||
		die "no configuration of Debian's $flavour for this version" \
			"another one: make deb CONFIG=\"fragment ...\""
	debian_config "$DEBIAN/$flavour/.config" >"$OUT/new.config"
	echo 'CONFIG_LOCALVERSION="-msi-iommu"' >>"$OUT/new.config"
	mkdir -p "$objects"
	logged "$LOGDIR/deb-config.log" "configuring as Debian's $flavour" \
		kmake arm64 "$KTREE" "$objects" "KCONFIG_CONFIG=$OUT/new.config" olddefconfig
	# With what was turned off goes what depends on it
	msg "Debian's $flavour, but for these lines:"
	{ diff "$DEBIAN/$flavour/.config" "$OUT/new.config" || true; } |
		sed -n '/_VERSION/d; s/^[<>]/  &/p'
	cmp -s "$OUT/new.config" "$objects/.config" || cp "$OUT/new.config" "$objects/.config"
}

configure() {
	local fragments
	if [ -z "${CONFIG:-}" ]; then
		configure_as_debian
		return
	fi
	read -ra fragments <<<"$CONFIG"
	echo 'CONFIG_LOCALVERSION="-msi-iommu"' >"$OUT/release.config"
	kconfigure arm64 "$KTREE" "$objects" "${fragments[@]}" "$OUT/release.config"
	in_effect "$objects"
}

# Each commit here makes a newer version, and always the same one
package_version() {
	echo "$1-$(pgit show -s --format=%cd --date=format-local:%Y%m%d.%H%M%S HEAD)"
}

# pack <package> <version> <what it is, in a line> <the same, at length>: of the tree
# $work/<package>
pack() {
	local tree=$work/$1
	install -D -m 644 /dev/stdin "$tree/usr/share/doc/$1/copyright" <<-'COPYRIGHT'
		License: GPL-2.0-only
		 See /usr/share/common-licenses/GPL-2.
	COPYRIGHT
	install -D -m 644 /dev/stdin "$tree/DEBIAN/control" <<-CONTROL
		Package: $1
		Version: $2
		Architecture: arm64
		Maintainer: $DEBFULLNAME <$DEBEMAIL>
		Section: admin
		Priority: optional
		Installed-Size: $(du -sk --apparent-size "$tree" | cut -f1)
		Description: $3
		 $4
	CONTROL
	dpkg-deb --root-owner-group --build "$tree" "$OUT/$1_$2_arm64.deb"
}

# Without a library, as the selftests are
pack_lsmsi() {
	local tree=$work/lsmsi version
	make -C "$ROOT/tools/iommu" "O=$work/objects" CC=aarch64-linux-gnu-gcc LDFLAGS='-static -s' \
		install "DESTDIR=$tree" prefix=/usr
	gzip -9n "$tree/usr/share/man/man8/lsmsi.8"
	version=$(sed -n 's/^#define VERSION[[:space:]]*"\(.*\)"/\1/p' "$ROOT/tools/iommu/lsmsi.c")
	pack lsmsi "$(package_version "$version")" "list IOMMU groups and their MSI doorbells" \
		"Shows which devices write MSIs where, on a kernel with CONFIG_IOMMU_MSI."
}

pack_tests() {
	mkdir -p "$work/iommu-msi-tests/usr/libexec"
	cp -R "$TESTS" "$work/iommu-msi-tests/usr/libexec/iommu-msi-tests"
	pack iommu-msi-tests "$(package_version "$(tree_version_of base)")" "selftests of MSI doorbells" \
		"/usr/libexec/iommu-msi-tests/run says which devices it needs: their data may be lost."
}

# libssl-dev of arm64, which its headers are said to need, is for signatures alone
build_kernel() {
	kmake arm64 "$KTREE" "$objects" \
		"KDEB_PKGVERSION=$(package_version "$(tree_version_of base)")" DPKG_FLAGS=-d bindeb-pkg
}

"$ROOT/scripts/deps.sh" build deb
"$ROOT/scripts/apply.sh"
in_lock "$OUT.lock"
need_disk "$([ -n "${CONFIG:-}" ] && echo 2 || echo 12)" "$OUT" "the packages"
work=$(mktemp -d -p "$OUT")
trap 'rm -rf "$work"' EXIT
configure
rm -f "$OUT"/*.deb "$OUT"/*.changes "$OUT"/*.buildinfo
msg "packing the kernel"
logged "$LOGDIR/deb.log" "packing the kernel" build_kernel
TESTS=$work/tests
"$ROOT/scripts/tests-tar.sh" "$TESTS"
logged "$LOGDIR/deb-lsmsi.log" "packing lsmsi" pack_lsmsi
logged "$LOGDIR/deb-tests.log" "packing the selftests" pack_tests
msg "in build/deb, after $SECONDS s:"
(cd "$OUT" && du -h ./*.deb | sed 's|\t\./|  |; s/^/  /')
