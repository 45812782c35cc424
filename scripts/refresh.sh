#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [BASE=commit] refresh.sh [<kernel tree>]
#
# The commits on branch `msi-iommu` of the build tree (or of another tree) after
# the tag `base` (or after BASE) become patches/<version>/, and the files that
# they add are copied to their paths here.
#
# Refuses to overwrite what is not committed here; FORCE=1 does it all the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

MOST=200	# commits; more are a history, not a series
tree=${1:-$KTREE}
KGIT_TREE=$tree
base=base	# the build tree's, also of a base of one's own
if [ -z "${BASE_TREE:-}" ] || [ -n "${1:-}" ]; then
	base=${BASE:-base}
fi
hint="for a clone of your own: make refresh TREE=path BASE=v6.12.117"
tip=$(kgit rev-parse -q --verify 'refs/heads/msi-iommu^{commit}' 2>/dev/null) ||
	die "no branch msi-iommu in $tree" "make apply makes the build tree; $hint"
kgit rev-parse -q --verify "$base^{commit}" >/dev/null 2>&1 ||
	die "$tree has no commit '$base', after which the series begins" "$hint"
count=$(kgit rev-list --count "$base..$tip")
if [ "$count" -eq 0 ] || [ "$count" -gt "$MOST" ]; then
	die "$count commits between '$base' and msi-iommu are not a series" "name the commit that it begins after; $hint"
fi
if [ -n "$(kgit --no-optional-locks status --porcelain --untracked-files=no | sed -n 1p)" ]; then
	warn "changes in $tree that are not committed stay there"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the patches here add now
old_files() {
	series_patches | while IFS= read -r patch; do
		sed -n '/^new file mode /,/^+++ /s|^+++ b/||p' "$PATCHES/$patch" 2>/dev/null || true
	done | sort -u
}

check_overwrite() {
	local dirty applied
	[ "${FORCE:-}" != 1 ] || return 0
	applied=$(cut -d' ' -f1 "$KBUILD/.applied" 2>/dev/null || true)
	if [ "$tree" = "$KTREE" ] && [ -n "$applied" ] && [ "$(series_digest)" != "$applied" ]; then
		die "the patches changed here since they were applied" \
			"refresh would undo that: apply first (make apply), or overwrite them: make refresh FORCE=1"
	fi
	dirty=$({ old_files; added_files "$base" "$tip"; echo "${PATCHES#"$ROOT"/}"; } | sort -u |
		while IFS= read -r path; do
			pgit status --porcelain -- ":(literal)$path"
		done)
	if [ -n "$dirty" ] && ! unchanged; then
		printf '%s\n' "$dirty" | head -n 8 | sed 's/^/  | /' >&2
		die "refresh would overwrite files with changes that are not committed here" \
			"commit them first, or overwrite them: make refresh FORCE=1"
	fi
}

# Is what is here what the last refresh wrote?
content() {
	(cd "$ROOT" && { old_files; find "${PATCHES#"$ROOT"/}" -name '*.patch' -o -name series; } | sort -u |
		{ xargs -d '\n' sha256sum 2>/dev/null || true; } | sha256sum) # a file may have gone
}
unchanged() { [ "$(content)" = "$(cat "$KBUILD/.refreshed" 2>/dev/null || true)" ]; }

# The way back must give the same tree and messages, or something was lost.
verify() {
	local begin
	begin=$(kgit rev-parse "$base^{commit}")
	mapfile -t patches < <(patches_of "$work/patches")
	am_patches "$work/scratch" "$base" "${patches[@]}"
	if ! diff <(kgit log --format='%T %an %ae %ad%n%B' "$begin..$tip") \
		<(KGIT_TREE=$work/scratch kgit log --format='%T %an %ae %ad%n%B' "$begin..HEAD") >"$work/lost"; then
		sed 's/^/  | /' "$work/lost" | head -n 12 >&2
		die "the commits cannot be written as patches without loss" \
			"a message with a line '---' or 'diff ', or a title of more than one line?"
	fi
}

# Only what differs is written.
replace() {
	mkdir -p "$(dirname "$2")"
	cmp -s "$1" "$2" || cp --remove-destination --no-preserve=timestamps "$1" "$2"
}
install_files() {
	local path
	comm -23 <(old_files) <(added_files "$base" "$tip" | sort) | while IFS= read -r path; do
		rm -f "$ROOT/$path"
	done
	added_files "$base" "$tip" | while IFS= read -r path; do
		kgit cat-file blob "$tip:$path" >"$work/blob"
		replace "$work/blob" "$ROOT/$path"
	done
}
# Its first line is the version that the patches were written on. On another one they
# are other patches, and nobody has tried those where the former ones were.
renew_verified() {
	if [ ! -f "$PATCHES/verified" ]; then
		tree_version_of "$base" >"$PATCHES/verified"
	elif ! grep -qx "$(tree_version_of "$base")" "$PATCHES/verified"; then
		warn "${PATCHES#"$ROOT"/}/verified is empty now: the patches are those for $(tree_version_of "$base")"
		: >"$PATCHES/verified"
	fi
}
install_patches() {
	local name
	mkdir -p "$PATCHES"
	for name in "$PATCHES"/[0-9]*.patch; do
		[ ! -e "$name" ] || [ -e "$work/patches/${name##*/}" ] || rm -f "$name"
	done
	for name in "$work"/patches/*; do
		replace "$name" "$PATCHES/${name##*/}"
	done
	renew_verified
}

mkdir -p "$KBUILD"
format_patches "$base" "$tip" "$work/patches"
verify
check_overwrite
install_files
install_patches
content >"$KBUILD/.refreshed"
if [ "$tree" = "$KTREE" ]; then
	rm -f "$KBUILD/.applying"
	kgit update-ref refs/sync "$tip"
	echo "$(series_digest) $(kgit rev-parse base)" >"$KBUILD/.applied"
fi
msg "$count patches refreshed from $tree"
