#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Removes what was built. The kernel tree is a working tree with a person's
# commits in it: it goes only with --all, and only when nothing in it is
# missing here.
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
		find "$KBUILD" -mindepth 1 -maxdepth 1 \
			! -name linux ! -name 'linux-*' ! -name '.*' -exec rm -rf {} +
		rm -rf "$LOGDIR" "$BUILD/series" "$BUILD/check"
	fi
	msg "removed the object directories; the kernel source stays (make distclean removes it)"
	;;
*)
	die "clean.sh: unknown argument '$1'" "usage: clean.sh [--all]"
	;;
esac
