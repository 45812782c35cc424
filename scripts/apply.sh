#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: apply.sh [--may-discard]
#
# Makes the commits of patches/<version>/ on the base and checks them out as
# the branch `msi-iommu` of the build tree. Only files that really differ are
# written, so a build that follows is as small as the change.
#
# The build tree is also where people work: it is never moved while it holds
# something that is not here. refs/sync is the tip that both sides agree on.
# --may-discard only answers whether that is so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

refuse() {
	die "$1" "bring the work back with 'make refresh${BASE_TREE:+ BASE_TREE=$BASE_TREE BASE=$BASE}', or drop it: git -C ${KTREE#"$ROOT"/} $2"
}

# Nothing in the build tree may be lost.
check_tree() {
	local branch tip dirty
	if [ -d "$KTREE/.git/rebase-merge" ] || [ -d "$KTREE/.git/rebase-apply" ]; then
		die "a rebase or git am is under way in the build tree" \
			"end it there (--continue or --abort), then make refresh"
	fi
	dirty=$(kgit status --porcelain | sed -n 1,3p)
	if [ -n "$dirty" ]; then
		printf '%s\n' "$dirty" | sed 's/^/  | /' >&2
		refuse "the build tree has changes that are not committed" "reset --hard && git clean -fd"
	fi
	tip=$(kgit rev-parse -q --verify refs/heads/msi-iommu || true)
	if [ -n "$tip" ] && [ "$tip" != "$(kgit rev-parse -q --verify refs/sync || true)" ]; then
		kgit log --oneline -n 5 base..msi-iommu | sed 's/^/  | /' >&2
		refuse "the build tree has commits that are not in patches/$VERSION" \
			"reset --hard refs/sync"
	fi
	branch=$(kgit symbolic-ref -q --short HEAD || kgit rev-parse HEAD)
	case $branch in
	msi-iommu | "$(kgit rev-parse base)") ;;
	*) die "the build tree is on '$branch'" "git -C ${KTREE#"$ROOT"/} switch msi-iommu" ;;
	esac
}

if [ "${1:-}" = --may-discard ]; then
	check_tree
	exit 0
fi
"$ROOT/scripts/fetch.sh"
in_lock "$KBUILD/.tree.lock"
# The same patches make the same commits: nothing to do, and whoever works in
# the build tree is left alone.
digest="$(series_digest) $(kgit rev-parse base)"
if [ "$digest" = "$(cat "$KBUILD/.applied" 2>/dev/null || true)" ] &&
	kgit rev-parse -q --verify refs/heads/msi-iommu >/dev/null; then
	if [ "$(kgit rev-parse HEAD)" != "$(kgit rev-parse refs/sync)" ] ||
		[ -n "$(kgit status --porcelain | sed -n 1p)" ]; then
		warn "the build tree holds work that is not in patches/$VERSION (make refresh brings it here)"
	fi
	rm -f "$KBUILD/.applying"
	exit 0
fi
# A checkout that was killed: only if nobody has moved the branch since
applying=$(cat "$KBUILD/.applying" 2>/dev/null || true)
tip=$(kgit rev-parse -q --verify refs/heads/msi-iommu || true)
if [ -n "$applying" ] && { [ "$tip" = "$applying" ] ||
	[ "$tip" = "$(kgit rev-parse -q --verify refs/sync || true)" ]; }; then
	rm -f "$KTREE/.git/index.lock"
	kgit checkout -q --force -B msi-iommu "$applying"
	kgit update-ref refs/sync msi-iommu
fi
rm -f "$KBUILD/.applying"
check_tree
mapfile -t patches < <(patches_of "$PATCHES")
work=$(mktemp -d -p "$KBUILD" .am.XXXXXX)
trap 'rm -rf "$work"' EXIT
am_patches "$work" base "${patches[@]}"
kgit fetch -q "$work" HEAD
tip=$(kgit rev-parse FETCH_HEAD)
# What is checked out halfway when this is killed is nobody's work
echo "$tip" >"$KBUILD/.applying"
kgit checkout -q -B msi-iommu "$tip"
kgit update-ref refs/sync "$tip"
rm -f "$KBUILD/.applying"
echo "$digest" >"$KBUILD/.applied"
msg "series applied: ${#patches[@]} patches on Linux $(tree_version_of base)"
