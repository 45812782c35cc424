#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: series.sh
#
# Writes build/series/: the commits of the build tree as mails, with a cover
# letter whose first line in patches/<version>/cover.txt is its subject. Then
# `git am` takes them on the pristine base, and the result must be the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

out=$BUILD/series
log=$LOGDIR/series.log

write_mails() {
	local cover
	cover=$(cat "$PATCHES/cover.txt")
	kgit config user.name "$(pgit config user.name || kgit config user.name)"
	kgit config user.email "$(pgit config user.email || kgit config user.email)"
	kgit -c "branch.msi-iommu.description=$cover" format-patch --quiet \
		--cover-letter --cover-from-description=subject --no-signature \
		--no-renames --zero-commit -o "$1" base..msi-iommu
}

# Only the files that the series touches are checked out: git am needs no more.
try_mails() {
	local tree=$1/tree
	worktree "$tree" --no-checkout
	kgit diff --name-only --no-renames base msi-iommu | sed 's|^|/|' |
		KGIT_TREE=$tree kgit sparse-checkout set --no-cone --stdin
	KGIT_TREE=$tree kgit checkout -q --detach base
	KGIT_TREE=$tree kgit am -q --empty=drop "$out"/*.patch
	kgit diff --quiet msi-iommu "$(KGIT_TREE=$tree kgit rev-parse HEAD)"
}

"$ROOT/scripts/apply.sh"
if [ "$(kgit rev-list --count base..msi-iommu)" = 0 ]; then
	die "the series is empty" "patches/$VERSION/series names no patch"
fi
if [ ! -f "$PATCHES/cover.txt" ]; then
	die "no cover letter" "write patches/$VERSION/cover.txt: the subject, an empty line, the text"
fi
work=$(mktemp -d -p "$KBUILD" .series.XXXXXX)
trap 'rm -rf "$work"; prune_worktrees' EXIT
rm -rf "$out"
logged "$log" "writing the mails" write_mails "$out"
logged "$log" "git am on the pristine base" try_mails "$work"
msg "$(find "$out" -name '*.patch' | wc -l) mails in build/series/, taken by git am on the pristine base"
