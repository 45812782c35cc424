#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: fetch.sh
#
# Leaves the base kernel source, as Debian packages it, in
# build/<version>/linux: a git repository of one commit with the tag `base`.
# The directory appears only when it is complete: an interrupted run leaves a
# linux.tmp that the next one starts over.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TARBALL=/usr/src/linux-source-$VERSION.tar.xz

tree_version() {
	awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { s = $3 }
	     END { print v "." p "." s }'
}

compare_verified() {
	local version=$1 verified
	verified=$(cat "$PATCHES/verified" 2>/dev/null || true)
	if [ -n "$verified" ] && [ "$version" != "$verified" ]; then
		warn "the base is $version; the series was last verified on $verified: going on"
	fi
}

unpack() {
	local tmp=$1
	rm -rf "$tmp"
	mkdir -p "$tmp"
	msg "unpacking $(basename "$TARBALL")"
	if ! tar -C "$tmp" --strip-components=1 -xJf "$TARBALL" >"$LOGDIR/fetch.log" 2>&1; then
		die "cannot unpack $TARBALL" \
			"$(tail -n 1 "$LOGDIR/fetch.log"); if the file is damaged: apt-get install --reinstall linux-source-$VERSION" \
			"$LOGDIR/fetch.log"
	fi
}

# One pack, fast to write; the same commit hash on every machine.
import() {
	local tmp=$1 version=$2 date
	date="$(stat -c %Y "$tmp/Makefile") +0000"
	msg "importing $version into git"
	export KGIT_TREE=$tmp
	logged "$LOGDIR/fetch.log" "importing the source into git" import_commands "$version" "$date"
	unset KGIT_TREE
}
import_commands() {
	kgit init -q -b base-import
	kgit config user.name "$(pgit config user.name || echo msi-iommu)"
	kgit config user.email "$(pgit config user.email || echo msi-iommu@localhost)"
	kgit config core.untrackedCache true
	kgit config core.compression 1
	kgit config core.bigFileThreshold 512m
	# Debian's last lines ignore the whole tree: a new file would go unseen.
	sed -i '\|^/\*$|d; \|^!/debian/$|d' "$KGIT_TREE/.gitignore"
	kgit add --all --force
	GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL=base@localhost GIT_AUTHOR_DATE=$2 \
		GIT_COMMITTER_NAME=base GIT_COMMITTER_EMAIL=base@localhost GIT_COMMITTER_DATE=$2 \
		kgit commit -q --no-verify -m "Linux $1, as packaged by Debian"
	kgit tag base
	kgit checkout -q --detach
	kgit branch -q -D base-import
}

"$ROOT/scripts/deps.sh" build
in_lock "$KBUILD/.fetch.lock"
if ! kgit rev-parse -q --verify 'refs/tags/base^{commit}' >/dev/null 2>&1; then
	if [ -e "$KTREE" ]; then
		die "$KTREE is not a tree that this script made" "remove it and run again"
	fi
	need_disk 5 "$KBUILD" "the kernel source"
	mkdir -p "$LOGDIR"
	unpack "$KTREE.tmp"
	version=$(tree_version <"$KTREE.tmp/Makefile")
	import "$KTREE.tmp" "$version"
	mv "$KTREE.tmp" "$KTREE"
	msg "base source: Linux $version in ${KTREE#"$ROOT"/}"
fi
compare_verified "$(kgit show base:Makefile | tree_version)"
