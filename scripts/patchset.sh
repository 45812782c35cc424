# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The series: patches/<version>/ has it as git format-patch writes it, and the
# file `series` names the patches in order, as quilt wants it. What the series
# adds is in this repository, too, at its path in the kernel tree, to be read and
# for other bases to share: refresh.sh writes both, the check series/files
# compares them. Source it after lib.sh.

series_patches() {
	if [ -f "$PATCHES/series" ]; then
		sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$PATCHES/series"
	fi
}

# patches_of <directory>: their paths, in order
patches_of() { sed "s|^|$1/|" "$1/series"; }

# series_groups: <name> <number of the first patch> <of the last one>, as they are posted
series_groups() { awk '!/^#/ && NF { print $1, n + 1, n + $2; n += $2 }' "$PATCHES/groups"; }

# series_digest: of all that the commits are made from
series_digest() { (cd "$PATCHES" && series_patches | xargs sha256sum) | sha256sum | cut -d' ' -f1; }

tree_version_of() {
	kgit show "$1:Makefile" |
		awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { s = $3 }
		     END { print v "." p "." s }'
}

# added_files <base> <tip>: those that the base lacks
added_files() { kgit diff --no-renames --diff-filter=A --name-only "$1" "$2"; }

# scratch <directory> <commit> <paths, one a line on stdin>: a repository that reads
# the objects of the tree and writes its own, with that commit checked out, and of
# it nothing but those files
scratch() {
	local dir=$1 commit shallow
	commit=$(kgit rev-parse "$2^{commit}")
	shallow=$(kgit rev-parse --path-format=absolute --git-path shallow)
	rm -rf "$dir"
	mkdir -p "$dir"
	KGIT_TREE=$dir kgit init -q
	kgit rev-parse --path-format=absolute --git-path objects >"$dir/.git/objects/info/alternates"
	[ ! -e "$shallow" ] || cp "$shallow" "$dir/.git/shallow"
	sed 's|^|/|' | KGIT_TREE=$dir kgit sparse-checkout set --no-cone --stdin
	KGIT_TREE=$dir kgit checkout -q --detach "$commit"
}

touched_by() { cat "$@" | sed -n 's|^diff --git a/.* b/\(.*\)$|\1|p' | sort -u; }

# am_patches <directory> <base> <patch...>: git am in a scratch repository of that
# name. The same patches make the same commits.
am_patches() {
	local dir=$1 base=$2 log=$LOGDIR/am.log file
	shift 2
	mkdir -p "$LOGDIR"
	for file; do
		[ -f "$file" ] || die "${PATCHES#"$ROOT"/}/series names ${file##*/}, which is not there"
	done
	touched_by "$@" | scratch "$dir" "$base"
	GIT_COMMITTER_NAME=msi-iommu GIT_COMMITTER_EMAIL=msi-iommu@localhost KGIT_TREE=$dir \
		kgit am -q --committer-date-is-author-date --empty=drop "$@" >"$log" 2>&1 ||
		report_rejected "$base" "$log"
}

# report_rejected <base> <log>: what git am said, as: which patch, which file, which
# place. Ends with a status of its own.
REJECTED=3
report_rejected() {
	local base=$1 patch files
	shift
	patch=$(sed -n 's/^Patch failed at [0-9]* //p' "$1")
	files=$(sed -n 's/^error: \(.*\): patch does not apply$/\1/p; s/^error: \(.*\): does not exist in index$/\1 (not there)/p; s/^error: \(.*\): already exists in index$/\1 (already there)/p' "$1" | sort -u | paste -sd' ')
	sed -n 's/^error: patch failed: \(.*\):\([0-9]*\)$/  | the hunk at line \2 of \1/p' "$1" >&2
	die_status=$REJECTED die "'${patch:-a patch}' does not apply to: ${files:-(see the log)}" \
		"the base is Linux $(tree_version_of "$base"), verified was $(verified): rebase the series in ${KTREE#"$ROOT"/}, or mend the hunk in ${PATCHES#"$ROOT"/}" \
		"$1"
}

# format_patches <base> <tip> <directory>: nothing of git's version, of this
# machine or of the day goes into them
format_patches() {
	if [ -n "$(kgit rev-list --merges "$1..$2" | head -n 1)" ]; then
		die "there is a merge among the commits" "a series is a straight line of commits: rebase it"
	fi
	mkdir -p "$3"
	kgit -c core.abbrev=12 format-patch --quiet --no-numbered --no-signature --zero-commit --no-renames \
		--no-ext-diff --diff-algorithm=myers -U3 --stat=72 --no-encode-email-headers \
		-o "$3" "$1..$2"
	find "$3" -maxdepth 1 -name '*.patch' -printf '%f\n' | sort >"$3/series"
}
