#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Removes all but the kernel tree, what make menuconfig chose and downloads. The
# tree is a working tree with a person's commits in it: it goes only with --all,
# and only when nothing in it is missing here. --tree removes one tree alone, and what
# was built from it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Whoever builds or checks here must have ended.
nobody_else() {
	local lock
	while IFS= read -r lock; do
		flock -n "$lock" true || die "${lock#"$ROOT"/} is held" "something runs here: end it first"
	done < <(find "$BUILD" -maxdepth 2 -name '*.lock')
}

# may_go <tree>
may_go() {
	if [ -d "$1/.git" ] && [ "${FORCE:-}" != 1 ]; then
		MSI_KBUILD=${1%/linux} "$ROOT/scripts/apply.sh" --may-discard ||
			die "build/ stays" "to discard what is in ${1#"$ROOT"/}: make distclean FORCE=1"
	fi
}

case ${1:-} in
--tree)
	may_go "$KTREE"
	nobody_else
	rm -rf "$KBUILD"
	msg "removed ${KBUILD#"$ROOT"/}"
	;;
--all)
	for tree in "$BUILD/$VERSION"*/linux; do
		may_go "$tree"
	done
	nobody_else
	rm -rf "$BUILD"
	msg "removed build/"
	;;
"")
	if [ -d "$BUILD" ]; then
		nobody_else
		find "$BUILD" -mindepth 1 -maxdepth 1 ! -name "$VERSION*" ! -name msi.config ! -name '*.lock' \
			! -name 'root*' ! -name debian ! -name '.*' -exec rm -rf {} +
		for dir in "$BUILD/$VERSION"*; do
			[ ! -d "$dir" ] || find "$dir" -mindepth 1 -maxdepth 1 ! -name linux ! -name '.*' -exec rm -rf {} +
		done
	fi
	if [ -d "$KTREE/.git" ]; then
		prune_worktrees
	fi
	msg "removed what was built; the kernel source and downloads stay (make distclean removes them)"
	;;
*)
	die "clean.sh: unknown argument '$1'" "usage: clean.sh [--all | --tree]"
	;;
esac
