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

# One pack: a quarter of the time of 86,000 files of git add. The same commit
# hash on every machine.
import() {
	local tmp=$1 version=$2 date
	date="$(stat -c %Y "$tmp/Makefile") +0000"
	msg "importing $version into git"
	KGIT_TREE=$tmp logged "$LOGDIR/fetch.log" "importing the source into git" \
		import_commands "$tmp" "$version" "$date"
}
import_commands() {
	# Debian's last lines ignore the whole tree: a new file would go unseen.
	sed -i '\|^/\*$|d; \|^!/debian/$|d' "$1/.gitignore"
	kgit init -q
	kgit config user.name "$(pgit config user.name || echo msi-iommu)"
	kgit config user.email "$(pgit config user.email || echo msi-iommu@localhost)"
	kgit config core.untrackedCache true
	kgit config core.compression 1
	"$ROOT/scripts/tree2fast-import.py" "$1" "base <base@localhost> $3" \
		"Linux $2, as packaged by Debian" | kgit fast-import --quiet --depth=0
	kgit reset -q refs/import
	kgit checkout -q --detach refs/import
	if [ -n "$(kgit status --porcelain | head -n 1)" ]; then
		die "git does not hold what was unpacked"
	fi
	kgit tag base refs/import
	kgit update-ref -d refs/import
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
