#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: refresh.sh [<kernel tree>]
#
# The commits on branch `msi-iommu` of the build tree (or of another tree)
# become patches/<version>/ and the new files at their paths here. The series
# starts after the tree's first commit, the import of the base.
#
# Refuses to overwrite what changed here since both sides were last the same;
# FORCE=1 does it all the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

tree=${1:-$KTREE}
KGIT_TREE=$tree
if ! tip=$(kgit rev-parse -q --verify 'refs/heads/msi-iommu^{commit}' 2>/dev/null); then
	die "no branch msi-iommu in $tree" "make apply makes the build tree; for another: make refresh TREE=path"
fi
root=$(kgit rev-list --max-parents=0 "$tip" | tail -n 1)
base=$(kgit merge-base "$root" "$tip")
if [ -n "$(kgit status --porcelain --untracked-files=no | sed -n 1p)" ]; then
	warn "changes in $tree that are not committed stay there"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

old_adds() {
	local patch
	for patch in $(series_patches); do
		if [ -f "$PATCHES/$patch" ]; then adds_of "$PATCHES/$patch"; fi
	done | sort -u
}

# What is here and would be replaced: from a refresh or an apply of these very
# commits, or committed here, so that git has it.
check_overwrite() {
	local now lost
	[ "${FORCE:-}" != 1 ] || return 0
	now=$(series_digest "$PATCHES" "$ROOT" 2>/dev/null || echo none)
	if [ "$now" = "$(cut -d' ' -f1 "$KBUILD/.applied" 2>/dev/null || true)" ] ||
		[ "$now" = "$(cat "$KBUILD/.refreshed" 2>/dev/null || true)" ]; then
		return 0
	fi
	if [ "$tree" = "$KTREE" ] && [ -f "$KBUILD/.applied" ]; then
		die "files of the series changed here since they were applied" \
			"refresh would undo that: apply first (make apply), or overwrite them: make refresh FORCE=1"
	fi
	lost=$({ old_adds; (cd "$work/new/files" && find . -type f -printf '%P\n'); echo "patches/$VERSION"; } | sort -u |
		while IFS= read -r path; do
			pgit status --porcelain -- ":(literal)$path"
		done)
	if [ -n "$lost" ]; then
		printf '%s\n' "$lost" | head -n 8 | sed 's/^/  | /' >&2
		die "refresh would overwrite files with changes that are not committed here" \
			"commit them first, or overwrite them: make refresh TREE=$tree FORCE=1"
	fi
}

# The way back must give the same trees and messages, or something was lost.
verify() {
	local again
	again=$(build_commits "$work/new/patches" "$work/new/files" "$base")
	if ! diff <(kgit log --format='%T %an %ae %ad%n%B' "$base..$tip") \
		<(kgit log --format='%T %an %ae %ad%n%B' "$base..$again") >"$work/lost"; then
		sed 's/^/  | /' "$work/lost" | head -n 12 >&2
		die "the commits cannot be written as patches without loss" \
			"a message with a line '---' or 'diff ', a binary file or a file mode that is not plain?"
	fi
}

# replace <from> <to>: only when it differs
replace() {
	mkdir -p "$(dirname "$2")"
	if ! cmp -s "$1" "$2" || [ "$(stat -c %A "$1")" != "$(stat -c %A "$2")" ]; then
		cp --remove-destination --no-preserve=timestamps --preserve=mode "$1" "$2"
	fi
}
install_files() {
	local path
	comm -23 <(old_adds) <(cd "$work/new/files" && find . -type f -printf '%P\n' | sort) |
		while IFS= read -r path; do
			rm -f "$ROOT/$path"
		done
	(cd "$work/new/files" && find . -type f -printf '%P\n') | while IFS= read -r path; do
		replace "$work/new/files/$path" "$ROOT/$path"
	done
}
install_patches() {
	local name
	mkdir -p "$PATCHES"
	for name in "$PATCHES"/[0-9][0-9][0-9][0-9]-*.patch; do
		if [ -e "$name" ] && [ ! -e "$work/new/patches/$(basename "$name")" ]; then
			rm -f "$name"
		fi
	done
	for name in "$work/new/patches"/*; do
		replace "$name" "$PATCHES/$(basename "$name")"
	done
	if [ ! -f "$PATCHES/verified" ]; then
		tree_version_of "$base" >"$PATCHES/verified"
	fi
}

split_commits "$base" "$tip" "$work/new"
verify
check_overwrite
install_files
install_patches
mkdir -p "$KBUILD"
series_digest "$PATCHES" "$ROOT" >"$KBUILD/.refreshed"
if [ "$tree" = "$KTREE" ]; then
	kgit update-ref refs/sync "$tip"
	echo "$(series_digest "$PATCHES" "$ROOT") $(kgit rev-parse base)" >"$KBUILD/.applied"
fi
msg "$(kgit rev-list --count "$base..$tip") patches refreshed from $tree"
