# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The series as it would be mailed, and its two forms.

. "$ROOT/scripts/checks/common.sh"

one_by_one
check git-am series_git_am 600 prepare/tree
check round-trip series_round_trip 600 prepare/tree
check checkpatch series_checkpatch 600 prepare/tree
check menuconfig series_menuconfig 600 prepare/tree

series_git_am() { scripts/series.sh; }

# What apply made, written back, is what is here, to the byte.
series_round_trip() {
	local path
	split_commits "$(kgit rev-parse base)" "$(kgit rev-parse msi-iommu)" "$CHECK_DIR"
	[ -s "$CHECK_DIR/patches/series" ] || die "the series is empty"
	diff -r -x cover.txt -x verified "$CHECK_DIR/patches" "$PATCHES" ||
		die "patches/$VERSION is not what make refresh writes"
	(cd "$CHECK_DIR/files" && find . -type f -printf '%P\n') | while IFS= read -r path; do
		cmp "$CHECK_DIR/files/$path" "$path" || die "$path is not what the series adds"
	done
}

# checkpatch-exceptions: <TYPE> <patch, without number, as a glob>: <reason>
series_checkpatch() {
	local exceptions=scripts/checks/checkpatch-exceptions found="$CHECK_DIR/found" bad=0
	local file type patch rule glob reason mails
	kgit format-patch -q --no-signature --no-renames --zero-commit -o "$CHECK_DIR/mails" base..msi-iommu
	mails=("$CHECK_DIR"/mails/*)
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
	grep -q '^CONFIG_IOMMU_MSI=y' <<<"$chosen" || die "IOMMU_MSI cannot be chosen in the root Kconfig"
}
