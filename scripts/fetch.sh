#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: fetch.sh
#
# Leaves the base kernel source, as Debian packages it, in
# build/<version>/linux: a git repository of one commit with the tag `base`.
# The directory appears only when it is complete: an interrupted run leaves a
# linux.tmp that the next one starts over.
#
# The package is imported into git once for all clones of a person, in the cache
# directory; a clone has links to the pack there, not to the place, so the cache
# can be removed at any time.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PACKAGE=linux-source-$VERSION
TARBALL=/usr/src/$PACKAGE.tar.xz

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

# One pack, from the stream of the archive: no 86,000 files in between. The same
# commit hash on every machine.
import() {
	local repository=$1
	git init -q --bare "$repository"
	KGIT_TREE=$repository kgit config core.compression 1
	xz -dc "$TARBALL" | "$ROOT/scripts/tree2fast-import.py" "base <base@localhost>" \
		'Linux {}, as packaged by Debian' |
		KGIT_TREE=$repository kgit fast-import --quiet --depth=0
	# Written last: what is here is complete, and these are its sums.
	(cd "$repository" && sha256sum objects/pack/* >sums)
}

# The cached repository is used as it was made, or made anew.
cache_source() {
	local repository=$1
	mkdir -p "$CACHE"
	exec 8>"$CACHE/.lock"
	flock 8
	if (cd "$repository" && sha256sum --status -c sums) 2>/dev/null; then
		return 0
	fi
	need_disk 1 "$CACHE" "the kernel source in git"
	msg "importing $(basename "$TARBALL") into git: $repository"
	rm -rf "$repository" "$repository.tmp"
	logged "$LOGDIR/fetch.log" "importing $TARBALL (damaged? apt-get install --reinstall $PACKAGE)" \
		import "$repository.tmp"
	mv "$repository.tmp" "$repository"
}

# Links where the file system can, else copies.
take() {
	local repository=$1 tmp=$2
	rm -rf "$tmp"
	mkdir -p "$tmp"
	kgit init -q
	kgit config user.name "$(pgit config user.name || echo msi-iommu)"
	kgit config user.email "$(pgit config user.email || echo msi-iommu@localhost)"
	kgit config core.untrackedCache true
	kgit config core.compression 1
	cp -l "$repository"/objects/pack/* "$tmp/.git/objects/pack/" 2>/dev/null ||
		cp "$repository"/objects/pack/* "$tmp/.git/objects/pack/"
	kgit tag base "$(KGIT_TREE=$repository kgit rev-parse refs/import)"
	kgit checkout -q --detach base
	if [ -n "$(kgit status --porcelain | sed -n 1p)" ]; then
		die "git does not hold what was unpacked"
	fi
}

"$ROOT/scripts/deps.sh" build
in_lock "$KBUILD/.fetch.lock"
if ! kgit rev-parse -q --verify 'refs/tags/base^{commit}' >/dev/null 2>&1; then
	if [ -e "$KTREE" ]; then
		die "$KTREE is not a tree that this script made" "remove it and run again"
	fi
	need_disk 4 "$KBUILD" "the kernel source"
	repository=$CACHE/$PACKAGE-$(dpkg-query -W -f '${Version}' "$PACKAGE").git
	cache_source "$repository"
	KGIT_TREE=$KTREE.tmp logged "$LOGDIR/fetch.log" "checking out the source" \
		take "$repository" "$KTREE.tmp"
	exec 8>&-
	mv "$KTREE.tmp" "$KTREE"
	msg "base source: Linux $(kgit show base:Makefile | tree_version) in ${KTREE#"$ROOT"/}"
fi
compare_verified "$(kgit show base:Makefile | tree_version)"
