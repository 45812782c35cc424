#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [FORMAT=mail|quilt] series.sh
#
# mail: writes build/series/, the commits of the build tree as mails, a folder for
# each group of patches/<version>/groups, with its cover letter, whose first line
# in patches/<version>/cover/ is its subject. git am takes them on the pristine base,
# group after group, and the result must be the same. The last group are the
# selftests: files of this repository, which patches/tests/ divides into commits.
#
# quilt: writes build/quilt/, for debian/patches of a kernel package: the patches
# and their `series`. patch must take them on the pristine base, with no fuzz.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/patchset.sh"

log=$LOGDIR/series.log

# commit_number <n>: the n-th of the series, base for 0
commit_number() {
	if [ "$1" -eq 0 ]; then
		kgit rev-parse base
	else
		kgit rev-list --reverse base..msi-iommu | sed -n "${1}p"
	fi
}

# write_mails <folder> <cover letter> <branch> <commits>
write_mails() {
	kgit -c "branch.$3.description=$(cat "$2")" format-patch --quiet \
		--cover-letter --cover-from-description=subject --no-signature \
		--no-renames --zero-commit -o "$1" "$4"
}

# only_there <Makefile>: takes lines out of it that name a file which is not there yet
only_there() {
	local name
	while IFS= read -r name; do
		[ -e "${1%/*}/$name" ] || [ -e "${1%/*}/$name.c" ] ||
			sed -i "/ += $name\(\.o\)\{0,1\}$/d" "$1"
	done < <(sed -n 's/^[A-Za-z_-]* += \([a-z_]*\)\(\.o\)\{0,1\}$/\1/p' "$1")
}

# commit_tests: on top of the series, branch `tests` in $work; a line `+ path` of a
# message names a file
commit_tests() {
	local message file all=tools/testing/selftests own=tools/testing/selftests/iommu_msi name email
	name=$(kgit config user.name) email=$(kgit config user.email)
	scratch "$work" msi-iommu <<<"$all/Makefile"
	local KGIT_TREE=$work
	kgit config user.name "$name"
	kgit config user.email "$email"
	kgit switch -q -c tests
	for message in "$ROOT"/patches/tests/*; do
		(cd "$ROOT" && sed -n 's/^+ //p' "$message" | xargs cp --parents -t "$work")
		for file in "$own/Makefile" "$own/test_modules/Makefile"; do
			[ -e "$work/$file" ] || continue
			cp "$ROOT/$file" "$work/$file"
			only_there "$work/$file"
		done
		if [ -e "$work/$own" ] && ! grep -q '^TARGETS += iommu_msi$' "$work/$all/Makefile"; then
			sed -i '/^TARGETS += iommu$/a TARGETS += iommu_msi' "$work/$all/Makefile"
		fi
		kgit add -A --sparse
		sed '/^+ /d' "$message" | kgit commit -q -s -F -
	done
	# That of lsmsi stays with it
	for file in "$ROOT/$own"/*_test.c; do
		[ -e "$work/${file#"$ROOT"/}" ] || [ "${file##*/}" = iommu_msi_lsmsi_test.c ] ||
			die "no message in patches/tests names ${file##*/}"
	done
}

mail() {
	local out=$BUILD/series name first last n=0 mails
	last=$(series_groups | awk 'END { print $3 + 0 }')
	[ "$last" -eq "$(kgit rev-list --count base..msi-iommu)" ] ||
		die "the groups have $last patches, the series $(kgit rev-list --count base..msi-iommu)" "correct ${PATCHES#"$ROOT"/}/groups"
	kgit config user.name "$(pgit config user.name || kgit config user.name)"
	kgit config user.email "$(pgit config user.email || kgit config user.email)"
	rm -rf "$out"
	while read -r name first last; do
		n=$((n + 1))
		[ -f "$PATCHES/cover/$name" ] ||
			die "no cover letter" "write ${PATCHES#"$ROOT"/}/cover/$name: the subject, an empty line, the text"
		logged "$log" "writing the mails of $name" write_mails "$out/$n-$name" "$PATCHES/cover/$name" msi-iommu \
			"$(commit_number $((first - 1)))..$(commit_number "$last")"
		msg "$((last - first + 1)) patches in build/series/$n-$name: $(head -n 1 "$PATCHES/cover/$name")"
	done < <(series_groups)
	mapfile -t mails < <(find "$out" -name '*.patch' | sort)
	am_patches "$work" base "${mails[@]}"
	KGIT_TREE=$work kgit diff --quiet "$(kgit rev-parse msi-iommu)" HEAD ||
		die "git am makes something else of the mails"
	msg "git am takes all of them on the pristine base"
	logged "$log" "writing the mails of tests" commit_tests
	KGIT_TREE=$work write_mails "$out/$((n + 1))-tests" "$PATCHES/cover/tests" tests "$(kgit rev-parse msi-iommu)..tests"
	msg "$(find "$ROOT/patches/tests" -type f | wc -l) patches in build/series/$((n + 1))-tests: $(head -n 1 "$PATCHES/cover/tests")"
}

try_quilt() {
	local patch patches
	mapfile -t patches < <(patches_of "$1")
	touched_by "${patches[@]}" | scratch "$work" base
	for patch in "${patches[@]}"; do
		patch -d "$work" -p1 -s -F0 --no-backup-if-mismatch <"$patch" || die "patch does not take ${patch##*/}"
	done
	KGIT_TREE=$work kgit add -A --sparse
	[ -z "$(KGIT_TREE=$work kgit diff --cached --name-only "$(kgit rev-parse msi-iommu)")" ] ||
		die "patch makes something else of the patches"
}

quilt() {
	local out=$BUILD/quilt
	rm -rf "$out"
	mkdir -p "$out"
	cp "$PATCHES"/*.patch "$PATCHES/series" "$out/"
	logged "$log" "patch on the pristine base" try_quilt "$out"
	msg "$(wc -l <"$out/series") patches and their series in build/quilt/, taken by patch on the pristine base"
	msg "into a Debian source package: cp build/quilt/*.patch debian/patches/, then append build/quilt/series to debian/patches/series"
}

"$ROOT/scripts/apply.sh"
in_lock "$KBUILD/.series.lock"
work=$(mktemp -d -p "$KBUILD" .series.XXXXXX)
trap 'rm -rf "$work"' EXIT
case ${FORMAT:-mail} in
mail | quilt) "${FORMAT:-mail}" ;;
*) die "FORMAT=$FORMAT is not mail or quilt" "make series, or make series FORMAT=quilt" ;;
esac
