#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [BASE_TREE=path BASE=commit] update.sh [--unchecked | group | group/name ...]
#
# Takes the stable version that Debian offers, or that a kernel clone of one's own has:
# says which versions there are, installs and unpacks the new source, applies the
# series, runs the checks that are named (or else those without which nothing is known),
# and then adds the version to patches/<version>/verified. --unchecked ends before the
# checks, and records nothing. Where a patch does not apply, its hunks are named, and
# how to go on: nothing is lost, and the next run begins there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

PACKAGE=linux-source-$VERSION
checks=("$@")
[ $# -gt 0 ] || checks=(series static kernels/base boots/smmuv3-its kunit/base)

in_apt() { LC_ALL=C apt-cache policy "$PACKAGE" | sed -n "s/^ *$1: \([^(]*\)$/\1/p"; }
upstream() { echo "${1%%-*}"; }
prepared() { tree_version_of base 2>/dev/null || true; }

install_candidate() {
	if ! as_root "reading the package lists" apt-get -q update >"$LOGDIR/update.log" 2>&1; then
		warn "not every package list could be read: going on with what is known, see $LOGDIR/update.log"
	fi
	"$ROOT/scripts/deps.sh" build
	installed=$(in_apt Installed) candidate=$(in_apt Candidate)
	msg "installed $installed"
	msg "candidate $candidate"
	if [ "$candidate" != "$installed" ]; then
		logged "$LOGDIR/update.log" "installing $PACKAGE $candidate" as_root "installing packages" \
			env DEBIAN_FRONTEND=noninteractive apt-get -q -y install "$PACKAGE=$candidate"
	fi
	wanted=$(upstream "$candidate")
}

# Work that is not here yet stays where it is
new_tree() {
	if [ -e "$KTREE" ] && [ "$(prepared)" != "$wanted" ]; then
		msg "the tree is of $(prepared): it goes, and what was built from it"
		"$ROOT/scripts/clean.sh" --tree
	fi
}

# In commands as they are typed, or run by the check series/update
how_to_go_on() {
	local own=${BASE_TREE:+ BASE_TREE=$BASE_TREE BASE=$BASE}
	cat >&2 <<-HOW
		  To go on, commit by commit, in the tree of $(prepared):
		    cd ${KTREE#"$ROOT"/}
		    git switch -C msi-iommu base
		    git am --reject $PATCHES/0*.patch
		  Each time it stops, put into the files what the .rej files have; git status names
		  them. Then (a patch that the tree has already: git am --skip):
		    git clean -fq -- '*.rej'
		    git add -A
		    git am --continue
		  At the end:
		    cd -
		    make refresh$own
		    make update$own
		  and commit patches/, and the files that the series adds if they have changed.
	HOW
}

mkdir -p "$LOGDIR"
msg "verified  $(verified)"
if [ -n "${BASE_TREE:-}" ]; then
	msg "asked for ${BASE:-}, of $BASE_TREE"
else
	install_candidate
	new_tree
fi
MSI_PACKAGES_THERE=1 "$ROOT/scripts/fetch.sh"
version=$(prepared)
msg "prepared  $version"
attempt "$ROOT/scripts/apply.sh"
if [ "$status" -eq "$REJECTED" ]; then
	# What was applied before is not what the tree will have
	rm -f "$KBUILD/.applied"
	how_to_go_on
fi
[ "$status" -eq 0 ] || exit 1
if [ "${checks[*]}" = --unchecked ]; then
	msg "it applies to $version; nothing was checked, and nothing is recorded"
	exit
fi
"$ROOT/scripts/check.sh" "${checks[@]}"
if grep -qx "$version" "$PATCHES/verified"; then
	msg "$version was verified before"
else
	echo "$version" >>"$PATCHES/verified"
	msg "$version is in ${PATCHES#"$ROOT"/}/verified now: commit that"
fi
