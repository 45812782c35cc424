#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Removes all but the kernel tree, what make menuconfig chose and downloads. The
# tree is a working tree with a person's commits in it: it goes only with --all,
# and only when nothing in it is missing here.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in
--all)
	if [ -d "$KTREE/.git" ] && [ "${FORCE:-}" != 1 ]; then
		"$ROOT/scripts/apply.sh" --may-discard ||
			die "build/ stays" "to discard what is in the build tree: make distclean FORCE=1"
	fi
	rm -rf "$BUILD"
	msg "removed build/"
	;;
"")
	if [ -d "$BUILD" ]; then
		find "$BUILD" -mindepth 1 -maxdepth 1 ! -name "$VERSION" ! -name msi.config \
			! -name root ! -name debian ! -name '.*' -exec rm -rf {} +
	fi
	if [ -d "$KBUILD" ]; then
		find "$KBUILD" -mindepth 1 -maxdepth 1 ! -name linux ! -name '.*' -exec rm -rf {} +
	fi
	if [ -d "$KTREE/.git" ]; then
		prune_worktrees
	fi
	msg "removed what was built; the kernel source and downloads stay (make distclean removes them)"
	;;
*)
	die "clean.sh: unknown argument '$1'" "usage: clean.sh [--all]"
	;;
esac
