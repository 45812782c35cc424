#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [LINUX=source tree] libvfio.sh
#
# Leaves a newer kernel's selftests of VFIO, as they are, in build/root-programs/libvfio:
# of that tree, or of the newest linux-source in the backports of Debian 13.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

OUT=$BUILD/root-programs/libvfio
WORK=$OUT.all
# What its headers for user space and these tests are made of
PARTS=(Makefile arch/arm64 drivers/net/ethernet/intel/igb include scripts tools usr)

take_package() {
	local package
	apt_beside "$WORK/apt"
	APT_ARM64+=(-o "Dir::Etc::SourceList=$WORK/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null)
	echo "deb $(mirror Debian) trixie-backports main" >"$WORK/apt/sources.list"
	apt-get "${APT_ARM64[@]}" update
	package=$(apt-cache "${APT_ARM64[@]}" pkgnames linux-source- | grep -E '^linux-source-[0-9.]+$' |
		sort -V | tail -n 1)
	(cd "$WORK" && apt-get "${APT_ARM64[@]}" download "$package")
	dpkg-deb --fsys-tarfile "$WORK/$package"_*.deb | tar -xO "./usr/src/$package.tar.xz" | xz -dc |
		tar -x -C "$WORK/tree" --strip-components=1 "${PARTS[@]/#/$package/}"
}

build() {
	rm -rf "$OUT" "$OUT.stamp" "$WORK"
	mkdir -p "$WORK/tree" "$OUT/libvfio"
	if [ -n "${LINUX:-}" ]; then
		tar -C "$LINUX" -c "${PARTS[@]}" | tar -x -C "$WORK/tree"
	else
		take_package
	fi
	"$ROOT/scripts/root.sh" unpack "$WORK/uuid" uuid-dev
	make -C "$WORK/tree" ARCH=arm64 headers
	# The headers of that kernel come before those of the C library's release
	make -C "$WORK/tree/tools/testing/selftests" ARCH=arm64 CC=aarch64-linux-gnu-gcc TARGETS=vfio \
		"USERCFLAGS=-idirafter $WORK/uuid/usr/include" \
		"USERLDFLAGS=-static -L$WORK/uuid/usr/lib/aarch64-linux-gnu" "INSTALL_PATH=$WORK/tests" install
	aarch64-linux-gnu-strip "$WORK"/tests/vfio/*_test
	mv "$WORK"/tests/vfio/*_test "$OUT/libvfio/"
	make -s -C "$WORK/tree" ARCH=arm64 kernelversion >"$OUT/libvfio/version"
	rm -rf "$WORK"
	[ -n "${LINUX:-}" ] || touch "$OUT.stamp"
}

"$ROOT/scripts/deps.sh" build demo
in_lock "$BUILD/.libvfio.lock"
if [ ! -e "$OUT.stamp" ] || [ -n "${LINUX:-}" ]; then
	need_disk 2 "$BUILD" "a newer kernel's source"
	msg "selftests of VFIO, of ${LINUX:-the newest Linux in the backports of Debian 13}"
	logged "$LOGDIR/libvfio.log" "making the selftests of VFIO" build
fi
