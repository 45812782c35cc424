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
	local out=$BUILD/series mails
	[ -f "$PATCHES/cover.txt" ] ||
		die "no cover letter" "write patches/$VERSION/cover.txt: the subject, an empty line, the text"
	rm -rf "$out"
	logged "$log" "writing the mails" write_mails "$out"
	mapfile -t mails < <(find "$out" -name '*.patch' | sort)
	am_patches "$work" base "${mails[@]}"
	KGIT_TREE=$work kgit diff --quiet "$(kgit rev-parse msi-iommu)" HEAD ||
		die "git am makes something else of the mails"
	msg "${#mails[@]} mails in build/series/, taken by git am on the pristine base"
}

try_quilt() {
	local patch patches
	mapfile -t patches < <(patches_of "$1")
	touched_by "${patches[@]}" | scratch "$work" base
	for patch in "${patches[@]}"; do
		patch -d "$work" -p1 -s -F0 --no-backup-if-mismatch <"$patch" || die "patch does not take ${patch##*/}"
	done
	KGIT_TREE=$work kgit add -A --sparse
	[ -z "$(KGIT_TREE=$work kgit diff --cached --name-only "$(kgit rev-parse msi-iommu)")" ] ||
		die "patch makes something else of the patches"
}

quilt() {
	local out=$BUILD/quilt
	rm -rf "$out"
	mkdir -p "$out"
	cp "$PATCHES"/*.patch "$PATCHES/series" "$out/"
	logged "$log" "patch on the pristine base" try_quilt "$out"
	msg "$(wc -l <"$out/series") patches and their series in build/quilt/, taken by patch on the pristine base"
	msg "into a Debian source package: cp build/quilt/*.patch debian/patches/, then append build/quilt/series to debian/patches/series"
}

"$ROOT/scripts/apply.sh"
in_lock "$KBUILD/.series.lock"
work=$(mktemp -d -p "$KBUILD" .series.XXXXXX)
trap 'rm -rf "$work"' EXIT
case ${FORMAT:-mail} in
mail | quilt) "${FORMAT:-mail}" ;;
*) die "FORMAT=$FORMAT is not mail or quilt" "make series, or make series FORMAT=quilt" ;;
esac
