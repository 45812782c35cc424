#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [FORMAT=mail|quilt] series.sh
#
# mail: writes build/series/, the commits of the build tree as mails, with a cover
# letter whose first line in patches/<version>/cover.txt is its subject. git am
# takes them on the pristine base, and the result must be the same.
#
# quilt: writes build/quilt/, for debian/patches of a kernel package: the patches
# and their `series`. patch must take them on the pristine base, with no fuzz.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

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

mail() {
	local out=$BUILD/series tip mails
	[ -f "$PATCHES/cover.txt" ] ||
		die "no cover letter" "write patches/$VERSION/cover.txt: the subject, an empty line, the text"
	rm -rf "$out"
	logged "$log" "writing the mails" write_mails "$out"
	mapfile -t mails < <(find "$out" -name '*.patch' | sort)
	tip=$(am_patches base "${mails[@]}")
	kgit diff --quiet msi-iommu "$tip" || die "git am makes something else of the mails"
	msg "${#mails[@]} mails in build/series/, taken by git am on the pristine base"
}

try_quilt() {
	local patch
	patches_of "$1" | xargs cat | sed -n 's|^diff --git a/.* b/\(.*\)$|\1|p' | sort -u |
		sparse_worktree "$2/tree" base
	for patch in $(patches_of "$1"); do
		patch -d "$2/tree" -p1 -s -F0 <"$patch" || die "patch does not take ${patch##*/}"
	done
	KGIT_TREE=$2/tree kgit add -A
	[ -z "$(KGIT_TREE=$2/tree kgit diff --cached --name-only msi-iommu)" ] ||
		die "patch makes something else of the patches"
}

quilt() {
	local out=$BUILD/quilt work
	rm -rf "$out"
	mkdir -p "$out"
	cp "$PATCHES"/*.patch "$PATCHES/series" "$out/"
	work=$(mktemp -d -p "$KBUILD" .quilt.XXXXXX)
	# shellcheck disable=SC2064
	trap "rm -rf '$work'; prune_worktrees" EXIT
	logged "$log" "patch on the pristine base" try_quilt "$out" "$work"
	msg "$(wc -l <"$out/series") patches and their series in build/quilt/, taken by patch on the pristine base"
	msg "into a Debian source package: cp build/quilt/*.patch debian/patches/, then append build/quilt/series to debian/patches/series"
}

"$ROOT/scripts/apply.sh"
case ${FORMAT:-mail} in
mail | quilt) "${FORMAT:-mail}" ;;
*) die "FORMAT=$FORMAT is not mail or quilt" "make series, or make series FORMAT=quilt" ;;
esac
