# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The series as it would be mailed and carried, and what it adds.

. "$ROOT/scripts/checks/common.sh"

one_by_one
check git-am series_git_am 600 prepare/tree
check quilt series_quilt 600 prepare/tree
check files series_files 600 prepare/tree
check shape series_shape 300 prepare/tree
check rejected series_rejected 300 prepare/tree
check update series_update 600 prepare/tree
check checkpatch series_checkpatch 600 prepare/tree
check menuconfig series_menuconfig 600 prepare/tree
when_asked update

series_git_am() { FORMAT=mail scripts/series.sh; }
series_quilt()  { FORMAT=quilt scripts/series.sh; }

# What another version of the base changes in a patch: the numbers of lines, and
# the names of blobs
without_places() {
	mkdir "$2"
	cp "$1"/[0-9]*.patch "$1/series" "$2"
	sed -i -E '/^index [0-9a-f]+\.\./d; s/^@@ -[0-9,]+ \+[0-9,]+ @@/@@/' "$2"/*.patch
}

# The commits that apply made, written back, are what is here, to the byte if the
# base is the version that they were written on; and so is each file that they add.
series_files() {
	local path here=$CHECK_DIR/here mine=$CHECK_DIR/patches theirs=$PATCHES
	format_patches base msi-iommu "$mine"
	[ -s "$mine/series" ] || die "the series is empty"
	if [ "$(tree_version_of base)" != "$(head -n 1 "$PATCHES/verified")" ]; then
		without_places "$mine" "$CHECK_DIR/mine"
		without_places "$theirs" "$CHECK_DIR/theirs"
		mine=$CHECK_DIR/mine theirs=$CHECK_DIR/theirs
	fi
	diff -r -x cover -x groups -x verified "$mine" "$theirs" ||
		die "patches/$VERSION is not what make refresh writes" "make apply, then make refresh"
	added_files base msi-iommu >"$CHECK_DIR/added"
	while IFS= read -r path; do
		kgit cat-file blob "msi-iommu:$path" >"$here"
		cmp "$here" "$path" ||
			die "$path is not what the series adds" "change it in ${KTREE#"$ROOT"/} and make refresh"
	done <"$CHECK_DIR/added"
	printf '%d patches, %d files that they add\n' "$(wc -l <"$CHECK_DIR/patches/series")" "$(wc -l <"$CHECK_DIR/added")"
}

# What a reviewer can take in: groups of at most 14 patches, none of which adds more
# than 400 lines, tests and documentation aside; and no code that never lives: what a
# patch removes of the lines that an earlier one added is listed in rewritten-lines.
series_shape() {
	local name first last count commits commit added
	while read -r name first last; do
		count=$((last - first + 1))
		[ "$count" -le 14 ] || die "group $name has $count patches" "split it, in ${PATCHES#"$ROOT"/}/groups"
	done < <(series_groups)
	mapfile -t commits < <(kgit rev-list --reverse base..msi-iommu)
	for commit in "${commits[@]}"; do
		added=$(kgit show --numstat --format= "$commit" -- . ':!Documentation' ':!*-test.c' | awk '{ n += $1 } END { print n + 0 }')
		[ "$added" -le 400 ] || die "more than 400 lines, $added: $(kgit show -s --format=%s "$commit")" "split it"
		[ "$commit" != "${commits[0]}" ] || continue
		added=$(rewritten_lines "$commit" "${commits[0]}^" | wc -l)
		[ "$added" -eq 0 ] || echo "$added $(kgit show -s --format=%s "$commit")"
	done >"$CHECK_DIR/found"
	cat "$CHECK_DIR/found"
	grep -v '^#' scripts/checks/rewritten-lines | sed 's/: [^:]*$//' >"$CHECK_DIR/listed"
	diff "$CHECK_DIR/listed" "$CHECK_DIR/found" ||
		die "lines that an earlier patch adds and a later one removes are not as listed" \
			"put them into their final shape from the first patch on, or list them in scripts/checks/rewritten-lines"
	count=$(awk '{ n += $1 } END { print n + 0 }' "$CHECK_DIR/found")
	[ "$count" -le 20 ] || die "$count lines are rewritten within the series, of 20 at most"
	echo "$count lines are rewritten within the series"
}

# rewritten_lines <commit> <base>: those that it removes and one since the base added
rewritten_lines() {
	local file range
	while IFS= read -r file; do
		kgit diff -U0 "$1^" "$1" -- "$file" |
			sed -n -E 's/^@@ -([0-9]+) .*/\1,+1/p; s/^@@ -([0-9]+),([1-9][0-9]*) .*/\1,+\2/p' |
			while IFS= read -r range; do
				kgit blame -s -l -L "$range" "$2..$1^" -- "$file" | grep -v '^^'
			done
	done < <(kgit diff --no-renames --name-only --diff-filter=M "$1^" "$1") || true
}

# On a base that it does not fit, the patch and the place are named.
series_rejected() {
	local file=drivers/vfio/container.c tree=$CHECK_DIR/tree patches said
	scratch "$tree" base <<<"$file"
	sed -i 's/^/changed /' "$tree/$file"
	KGIT_TREE=$tree kgit -c user.name=check -c user.email=check@localhost commit -q -a -m "another base"
	mapfile -t patches < <(patches_of "$PATCHES")
	if said=$(KGIT_TREE=$tree am_patches "$CHECK_DIR/am" HEAD "${patches[@]}" 2>&1); then
		die "the series applies to a base that has another $file"
	fi
	printf '%s\n' "$said"
	grep -q "the hunk at line [0-9]* of $file" <<<"$said" || die "the hunk is not named"
	grep -q "error: 'vfio: .*' does not apply to: $file" <<<"$said" || die "the patch and the file are not named"
}

# The next version: it is taken, and recorded when its checks have passed alone; where a
# hunk fails, what to do is said, and done as it is said. In a clone of what is here.
series_update() {
	local file=drivers/iommu/iommufd/Makefile next=$CHECK_DIR/next clone=$CHECK_DIR/clone version said
	version=$(tree_version_of base)
	scratch "$next" base <<<"$file
Makefile"
	sed -i 's/^SUBLEVEL = .*/SUBLEVEL = 999/' "$next/Makefile"
	next_commit "the next version"
	sed -i 's/^/changed /' "$next/$file"
	sed -i 's/^SUBLEVEL = .*/SUBLEVEL = 1000/' "$next/Makefile"
	next_commit "another base"
	git -c safe.directory='*' clone -q "$ROOT" "$clone"
	# The patches for a new version are committed last
	rm -r "$clone/patches"
	cp -R "$ROOT/patches" "$ROOT/scripts" "$clone/"
	git -C "$clone" add -A
	git -C "$clone" -c user.name=check -c user.email=check@localhost commit -q --allow-empty -m here
	update HEAD^ --unchecked || die "the next version is not taken" "" "$CHECK_DIR/said"
	grep -q "it applies to $VERSION.999; nothing was checked" "$CHECK_DIR/said"
	! update HEAD^ source/no-such-check || die "a check that is not there has passed"
	! grep -x "$VERSION.999" "$clone/patches/$VERSION/verified" || die "recorded, and nothing has passed"
	update HEAD^ source/licence || die "its check has failed" "" "$CHECK_DIR/said"
	grep -qx "$VERSION.999" "$clone/patches/$VERSION/verified" || die "it is not recorded"
	git -C "$clone" checkout -q patches
	! update HEAD --unchecked || die "the series applies to a base that has another $file"
	grep -q "the hunk at line [0-9]* of $file" "$CHECK_DIR/said" || die "the hunk is not named"
	sed -n 's/^    //p' "$CHECK_DIR/said" >"$CHECK_DIR/recipe"
	follow_recipe || die "what was said does not help: $(tail -n 1 "$CHECK_DIR/stderr")" "" "$CHECK_DIR/stderr"
	[ "$(cat "$clone/patches/$VERSION/verified")" = "$VERSION.1000" ] ||
		die "the patches for $VERSION.1000 are said to be those of: $(paste -sd' ' "$clone/patches/$VERSION/verified")"
	[ -z "$(git -C "$clone" ls-files -d)" ] || die "the recipe has lost files"
	rm -rf "$clone" "$next"
}
# Word by word. One patch touches that file, and adds another one; what is checked at the
# end is little
follow_recipe() {
	local lines
	mapfile -t lines <"$CHECK_DIR/recipe"
	printf '%s\n' "${lines[@]}"
	[[ ${lines[2]} == 'git am --reject '* && ${lines[5]} == 'git am --continue' &&
		${lines[*]: -1} == 'make update '* ]] || return
	(
		cd "$clone" && eval "${lines[0]}" && eval "${lines[1]}" || exit
		! eval "${lines[2]}" || exit
		[ -e "$file.rej" ] || exit
		kgit show "msi-iommu:$file" | sed 's/^/changed /' >"$file"
		for line in "${lines[@]:3}"; do
			[[ $line != 'make update '* ]] || line+=' CHECK=source/licence'
			eval "$line" || exit
		done
	) 2>"$CHECK_DIR/stderr"
}
next_commit() {
	KGIT_TREE=$next kgit -c user.name=check -c user.email=check@localhost commit -q -a -m "$1"
}
# update <commit of the next tree> <arguments...>
update() {
	local status=0
	env -u MSI_LOGDIR -u MSI_OUT -u DEADLINE "BASE_TREE=$next" "BASE=$1" \
		"$clone/scripts/update.sh" "${@:2}" >"$CHECK_DIR/said" 2>&1 || status=$?
	cat "$CHECK_DIR/said"
	return "$status"
}

# checkpatch-exceptions: <TYPE> <patch, without number, as a glob>: <reason>
series_checkpatch() {
	local exceptions=scripts/checks/checkpatch-exceptions found="$CHECK_DIR/found" bad=0
	local file type patch rule glob reason mails
	mapfile -t mails < <(patches_of "$PATCHES")
	# Debian's python3 first: checkpatch runs spdxcheck, with Debian's modules.
	(cd "$KTREE" && PATH=/usr/bin:$PATH scripts/checkpatch.pl --strict --terse --show-types --no-summary \
		"${mails[@]}") >"$found" 2>"$CHECK_DIR/stderr" || true
	if [ -s "$CHECK_DIR/stderr" ]; then
		cat "$CHECK_DIR/stderr"
		die "checkpatch did not run: $(tail -n 1 "$CHECK_DIR/stderr")"
	fi
	: >"$CHECK_DIR/used"
	while IFS= read -r line; do
		file=$(basename "${line%%:*}")
		type=$(sed -E 's/^[^:]*:[0-9]+: [A-Z]+:([A-Z0-9_]+):.*/\1/' <<<"$line")
		patch=${file#[0-9]*-}
		reason=
		while read -r rule glob reason; do
			# shellcheck disable=SC2053
			if [ "$rule" = "$type" ] && [[ ${patch%.patch} == ${glob%:} ]]; then
				echo "$rule $glob" >>"$CHECK_DIR/used"
				break
			fi
			reason=
		done < <(grep -v '^#' "$exceptions")
		if [ -z "$reason" ]; then
			echo "$line"
			bad=$((bad + 1))
		fi
	done < <(grep -E '^[^:]*:[0-9]+: (ERROR|WARNING|CHECK)' "$found")
	while read -r rule glob reason; do
		grep -qxF "$rule $glob" "$CHECK_DIR/used" ||
			die "$exceptions: no patch needs '$rule $glob' any more"
	done < <(grep -v '^#' "$exceptions")
	[ "$bad" -eq 0 ] || die "checkpatch --strict has $bad complaints (exceptions: $exceptions)"
}

series_menuconfig() {
	local chosen
	chosen=$(scripts/menuconfig.sh --check | tee /dev/stderr)
	grep -q '^CONFIG_IOMMU_MSI=y' <<<"$chosen" || die "IOMMU_MSI is not on in the root Kconfig"
	grep -q 'CONFIG_IOMMU_MSI_KUNIT_TEST[ =]' <<<"$chosen" ||
		die "IOMMU_MSI_KUNIT_TEST cannot be chosen" "the root Kconfig lacks what it depends on"
}
