# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2030,SC2031
#
# The two forms of the series, and the way between them; source after lib.sh.
#
# Here:      patches/<version>/series names the patch files in order. A patch
#            file is one commit in mail format; between its `---` line and its
#            hunks it lists the files that it adds, a line `Adds: <path>` each.
#            Such a file is not repeated: it is the file of that path in this
#            repository, in its final version.
# Build tree: commits on top of the tag `base`.
#
# A later patch may have hunks on a file that an earlier one adds. What the
# file was at the commit that adds it then follows from the final version with
# those hunks taken back, the last one first.

series_patches() {
	local dir=${1:-$PATCHES}
	if [ -f "$dir/series" ]; then
		sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$dir/series"
	fi
}

# adds_of <patch file>: the paths that it adds
adds_of() {
	sed -n '/^diff --git /q; /^---$/,$ s/^Adds: //p' "$1"
}
has_hunks() { grep -q '^diff --git ' "$1"; }

# series_digest <patch dir> <file root>: of all that the commits are made from
series_digest() {
	local dir=$1 root=$2 patch path mode
	{
		for patch in $(series_patches "$dir"); do
			sha256sum <"$dir/$patch"
			while IFS= read -r path; do
				mode=644
				if [ -x "$root/$path" ]; then mode=755; fi
				printf '%s %s ' "$path" "$mode"
				sha256sum <"$root/$path"
			done < <(adds_of "$dir/$patch")
		done
	} | sha256sum | cut -d' ' -f1
}

# check_series <patch dir> <file root>: everything that the series names is there
check_series() {
	local dir=$1 root=$2 patch path
	for patch in $(series_patches "$dir"); do
		if [ ! -f "$dir/$patch" ]; then
			die "series names $patch, which is not in ${dir#"$ROOT"/}"
		fi
		while IFS= read -r path; do
			if [ ! -f "$root/$path" ]; then
				die "$patch adds $path, which is not in this repository" \
					"restore the file, or take the line out of the patch"
			fi
		done < <(adds_of "$dir/$patch")
	done
}

# What `git apply` said, as: which patch, which file, which place.
report_rejected() {
	local patch=$1 log=$LOGDIR/apply.log files
	mkdir -p "$LOGDIR"
	cp "$2" "$log"
	files=$(sed -n 's/^error: \(.*\): patch does not apply$/\1/p; s/^error: \(.*\): does not exist in index$/\1 (not there)/p; s/^error: \(.*\): already exists in index$/\1 (already there)/p' "$log" | sort -u | paste -sd' ')
	sed -n 's/^error: patch failed: /  | /p' "$log" >&2
	die "$patch does not apply to: ${files:-(see the log)}" \
		"the base is Linux $(tree_version_of base), verified was $(cat "$PATCHES/verified" 2>/dev/null || echo none): mend the hunk in patches/$VERSION/${patch%% *}" \
		"$log"
}
tree_version_of() {
	kgit show "$1:Makefile" |
		awk '/^VERSION =/ { v = $3 } /^PATCHLEVEL =/ { p = $3 } /^SUBLEVEL =/ { s = $3 }
		     END { print v "." p "." s }'
}

# first_versions <patch dir> <file root> <work dir>: for each file that the
# series adds, the blob it has in the commit that adds it, as lines
# `<patch>\t<mode>\t<blob>\t<path>`.
first_versions() (
	local dir=$1 root=$2 work=$3 patch path mode order later
	export GIT_INDEX_FILE=$work/late.index
	rm -f "$GIT_INDEX_FILE"
	mapfile -t order < <(series_patches "$dir" | tac)
	for patch in "${order[@]}"; do
		while IFS= read -r path; do
			mode=100644
			if [ -x "$root/$path" ]; then mode=100755; fi
			printf '%s,%s,%s\n' "$mode" "$(kgit hash-object -w --no-filters "$root/$path")" "$path"
		done < <(adds_of "$dir/$patch")
	done >"$work/final"
	while IFS= read -r path; do
		kgit update-index --add --cacheinfo "$path"
	done <"$work/final"
	for patch in "${order[@]}"; do
		while IFS= read -r path; do
			kgit ls-files -s -- "$path" |
				awk -v p="$patch" -v f="$path" '{ printf "%s\t%s\t%s\t%s\n", p, $1, $2, f }'
			kgit update-index --force-remove "$path"
		done < <(adds_of "$dir/$patch")
		later=()
		while IFS= read -r path; do
			later+=("--include=$path")
		done < <(kgit ls-files)
		if [ ${#later[@]} -gt 0 ] && has_hunks "$dir/$patch"; then
			kgit apply --cached -R --whitespace=nowarn "${later[@]}" "$dir/$patch" \
				>"$work/apply.log" 2>&1 || report_rejected "$patch (taken back)" "$work/apply.log"
		fi
	done
)

# commit_patch <patch file> <parent> <first versions> <work dir>: one commit
# with plumbing only, so its hash depends on nothing but its content
commit_patch() {
	local file=$1 parent=$2 firsts=$3 work=$4 patch mode blob path name info
	patch=$(basename "$file")
	info=$work/info
	kgit mailinfo -b --encoding=UTF-8 "$work/msg" "$work/diff" <"$file" >"$info"
	if has_hunks "$file"; then
		kgit apply --cached --whitespace=nowarn "$file" >"$work/apply.log" 2>&1 ||
			report_rejected "$patch" "$work/apply.log"
	fi
	while IFS=$'\t' read -r name mode blob path; do
		if [ "$name" = "$patch" ]; then
			kgit update-index --add --cacheinfo "$mode,$blob,$path"
		fi
	done <"$firsts"
	{ sed -n 's/^Subject: //p' "$info"; echo; cat "$work/msg"; } | kgit stripspace >"$work/message"
	GIT_AUTHOR_NAME=$(sed -n 's/^Author: //p' "$info")
	GIT_AUTHOR_EMAIL=$(sed -n 's/^Email: //p' "$info")
	GIT_AUTHOR_DATE=$(sed -n 's/^Date: //p' "$info")
	if [ -z "$GIT_AUTHOR_NAME" ] || [ -z "$GIT_AUTHOR_DATE" ]; then
		die "$patch is not in mail format" "it needs From:, Date: and Subject: lines"
	fi
	export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
	GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL \
		GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE \
		kgit commit-tree "$(kgit write-tree)" -p "$parent" -F "$work/message"
}

# build_commits <patch dir> <file root> <base commit>: prints the tip
build_commits() (
	local dir=$1 root=$2 tip work patch
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	check_series "$dir" "$root"
	first_versions "$dir" "$root" "$work" >"$work/firsts"
	export GIT_INDEX_FILE=$work/index
	tip=$(kgit rev-parse "$3^{commit}")
	kgit read-tree "$tip"
	for patch in $(series_patches "$dir"); do
		tip=$(commit_patch "$dir/$patch" "$tip" "$work/firsts" "$work")
	done
	echo "$tip"
)

# write_patch <commit> <patch file> <paths it adds, one a line>
#
# No stat, no `index` lines, no version of git: only what the author decided,
# so that a refresh changes the lines that the commit changed.
write_patch() {
	local commit=$1 file=$2 adds=$3 path exclude=()
	{
		kgit -c i18n.logOutputEncoding=UTF-8 show -s --no-notes --format=email \
			--no-encode-email-headers "$commit" |
			sed '1s/^From [0-9a-f]*/From 0000000000000000000000000000000000000000/'
		echo "---"
		while IFS= read -r path; do
			if [ -n "$path" ]; then
				echo "Adds: $path"
				exclude+=(":(exclude,top,literal)$path")
			fi
		done <<<"$adds"
		echo
		kgit diff-tree -r -p --no-renames --no-ext-diff --no-color --no-textconv -U3 \
			--diff-algorithm=myers --src-prefix=a/ --dst-prefix=b/ \
			"$commit^" "$commit" -- . "${exclude[@]}" |
			sed '/^index [0-9a-f]*\.\.[0-9a-f]*\( [0-7]*\)\?$/d'
	} >"$file"
}
patch_name() {
	printf '%04d-%s.patch' "$1" "$(kgit show -s --format=%f "$2" | cut -c1-52 | sed 's/[-.]*$//')"
}

# added_by <commit> <base> <tip>: files that this commit adds, the base lacks
# and that last to the tip without being removed in between
added_by() {
	local commit=$1 base=$2 tip=$3 path
	kgit diff-tree -r --no-renames --diff-filter=A --name-only --no-commit-id "$commit^" "$commit" |
		while IFS= read -r path; do
			if kgit cat-file -e "$tip:$path" 2>/dev/null &&
				! kgit cat-file -e "$base:$path" 2>/dev/null &&
				[ -z "$(kgit log --no-renames --diff-filter=D --format=%h "$commit..$tip" -- ":(top,literal)$path")" ]; then
				printf '%s\n' "$path"
			fi
		done
}

# split_commits <base> <tip> <out>: the commits as <out>/patches/ and <out>/files/
split_commits() {
	local base=$1 tip=$2 out=$3 n=0 commit adds name path
	mkdir -p "$out/patches" "$out/files"
	: >"$out/patches/series"
	for commit in $(kgit rev-list --reverse "$base..$tip"); do
		if [ "$(kgit rev-list --parents -n1 "$commit" | wc -w)" != 2 ]; then
			die "$commit is a merge" "a series is a straight line of commits: rebase it"
		fi
		n=$((n + 1))
		name=$(patch_name "$n" "$commit")
		adds=$(added_by "$commit" "$base" "$tip")
		write_patch "$commit" "$out/patches/$name" "$adds"
		echo "$name" >>"$out/patches/series"
		while IFS= read -r path; do
			if [ -n "$path" ]; then
				mkdir -p "$out/files/$(dirname "$path")"
				kgit cat-file blob "$tip:$path" >"$out/files/$path"
				if kgit ls-tree "$tip" -- "$path" | grep -q ^100755; then
					chmod +x "$out/files/$path"
				fi
			fi
		done <<<"$adds"
	done
}
