#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: tests-tar.sh [DIRECTORY]
#
# Leaves the selftests for an arm64 machine in build/iommu-msi-tests-<version>.tar.xz,
# or in a directory: what kselftest-install makes, lsmsi, and `run`, which says at its
# head what it needs. The programs are static.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

# tests_into <directory>
tests_into() {
	mkdir -p "$1"
	cp -R "$BUILD"/programs/kselftest/. "$1/"
	cp "$BUILD/programs/root/tests/lsmsi" "$1/iommu_msi/"
	cp "$ROOT/tools/testing/run-on-board" "$1/run"
	cp "$ROOT/COPYING" "$1/"
}

"$ROOT/scripts/apply.sh"
"$ROOT/scripts/programs.sh"
if [ -n "${1:-}" ]; then
	tests_into "$1"
	exit
fi
name=iommu-msi-tests-$(tree_version_of base)
work=$(mktemp -d -p "$BUILD")
trap 'rm -rf "$work"' EXIT
tests_into "$work/$name"
tar -C "$work" -cJf "$BUILD/$name.tar.xz" --sort=name --owner=0 --group=0 --numeric-owner \
	--mtime="@$(pgit show -s --format=%ct HEAD)" "$name"
msg "build/$name.tar.xz: unpack it on the board, and see $name/run"
