#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [BASE_TREE=path BASE=commit] fetch.sh
#
# Leaves the base kernel source, as Debian packages it, in
# build/<version>/linux: a git repository of one commit with the tag `base`.
# The directory appears only when it is complete: an interrupted run leaves a
# linux.tmp that the next one starts over.
#
# With BASE_TREE it is a commit of a kernel clone of one's own, a tag of stable's
# for example, in build/<version>-<BASE>/linux.
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

# The versions that matter: installed, in apt's sources, prepared, verified.
compare_versions() {
	local prepared=$1 installed candidate
	if ! grep -qx "$prepared" "$PATCHES/verified" 2>/dev/null; then
		warn "the base is $prepared; the series was verified on $(verified): going on"
	fi
	# make check has its packages, and calls this some forty times
	[ -z "${BASE_TREE:-}${MSI_PACKAGES_THERE:-}" ] || return 0
	installed=$(dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null || true)
	candidate=$(apt-cache policy "$PACKAGE" 2>/dev/null | sed -n 's/^ *Candidate: //p')
	if [ -n "$candidate" ] && [ "$candidate" != "(none)" ] && [ "$candidate" != "$installed" ]; then
		warn "$PACKAGE $installed is installed, apt has $candidate: apt-get install $PACKAGE, then make distclean and make apply"
	fi
	if [ "${installed%%-*}" != "$prepared" ]; then
		warn "$PACKAGE $installed is installed, the build tree is of $prepared: make refresh if you work in it, then make distclean and make apply"
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

new_tree() {
	rm -rf "$1"
	mkdir -p "$1"
	kgit init -q
	kgit config user.name "$(pgit config user.name || echo msi-iommu)"
	kgit config user.email "$(pgit config user.email || echo msi-iommu@localhost)"
	kgit config core.untrackedCache true
	kgit config core.compression 1
}

check_out() {
	kgit tag base "$1"
	kgit checkout -q --detach base
	if [ -n "$(kgit status --porcelain | sed -n 1p)" ]; then
		die "git does not hold what was checked out"
	fi
}

# Links where the file system can, else copies.
take() {
	local repository=$1 tmp=$2
	new_tree "$tmp"
	cp -l "$repository"/objects/pack/* "$tmp/.git/objects/pack/" 2>/dev/null ||
		cp "$repository"/objects/pack/* "$tmp/.git/objects/pack/"
	check_out "$(KGIT_TREE=$repository kgit rev-parse refs/import)"
}

# That commit alone, without what came before; the clone is only read
take_own() {
	local commit=$1 tmp=$2
	new_tree "$tmp"
	kgit fetch -q --depth=1 --upload-pack='git -c uploadpack.allowAnySHA1InWant=true -c safe.directory=* upload-pack' \
		"file://$(realpath "$BASE_TREE")" "$commit"
	check_out "$commit"
}

own_commit() {
	local version
	[ -n "${BASE:-}" ] || die "BASE_TREE without BASE" "name the commit that the series goes on: BASE=v6.12.117"
	KGIT_TREE=$BASE_TREE kgit rev-parse -q --verify "$BASE^{commit}" 2>/dev/null ||
		die "there is no commit '$BASE' in $BASE_TREE" "BASE_TREE is a clone of the kernel, BASE a tag or commit in it"
	version=$(KGIT_TREE=$BASE_TREE kgit show "$BASE:Makefile" | tree_version)
	case $version in
	"$VERSION".*) ;;
	*) die "$BASE in $BASE_TREE is Linux $version" "the series is for $VERSION" ;;
	esac
}

from_package() {
	local repository
	repository=$CACHE/$PACKAGE-$(dpkg-query -W -f '${Version}' "$PACKAGE").git
	cache_source "$repository"
	KGIT_TREE=$KTREE.tmp logged "$LOGDIR/fetch.log" "checking out the source" \
		take "$repository" "$KTREE.tmp"
	exec 8>&-
}

"$ROOT/scripts/deps.sh" build
in_lock "$KBUILD/.fetch.lock"
if ! kgit rev-parse -q --verify 'refs/tags/base^{commit}' >/dev/null 2>&1; then
	if [ -e "$KTREE" ]; then
		die "$KTREE is not a tree that this script made" "remove it and run again"
	fi
	need_disk 4 "$KBUILD" "the kernel source"
	mkdir -p "$LOGDIR"
	if [ -n "${BASE_TREE:-}" ]; then
		commit=$(own_commit)
		KGIT_TREE=$KTREE.tmp logged "$LOGDIR/fetch.log" "taking $BASE of $BASE_TREE" \
			take_own "$commit" "$KTREE.tmp"
	else
		from_package
	fi
	mv "$KTREE.tmp" "$KTREE"
	msg "base source: Linux $(kgit show base:Makefile | tree_version) in ${KTREE#"$ROOT"/}"
fi
compare_versions "$(kgit show base:Makefile | tree_version)"
