# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What `make coverage` says of the counts: on counts made up, of files of 40
# lines. It takes a kernel of its own and many machines to count for real.

COVERAGE_FILES=(drivers/iommu/msi-iommu.c drivers/iommu/msi-iommu-desc.c drivers/iommu/msi-iommu-frame.c
	drivers/iommu/msi-iommu-window.c drivers/iommu/msi-iommu-debugfs.c drivers/iommu/iommufd/msi.c)

# counts <uncovered lines of the first file...>: as gcov prints them
counts() {
	local file line
	for file in "${COVERAGE_FILES[@]}"; do
		printf '{"files": [{"file": "../linux/include/linux/list.h", "functions": [], "lines": []}, '
		printf '{"file": "../linux/%s", "functions": [{"name": "f", "start_line": 1, "end_line": 40}], "lines": [' "$file"
		for line in {1..40}; do
			printf '{"line_number": %d, "count": %d, "branches": [{"count": %d}, {"count": 0}]}' \
				"$line" "$([[ " $* " == *" $line "* ]] && echo 0 || echo 3)" "$line"
			[ "$line" -eq 40 ] || printf ', '
		done
		printf ']}]}\n'
		set --
	done
}

# coverage_report <exceptions>
coverage_report() {
	scripts/coverage.py "$CHECK_DIR/tree" <(printf '%s\n' "$1") "$CHECK_DIR/branches" "$CHECK_DIR/gcov.json"
}

# coverage_refused <pattern> <exceptions>
coverage_refused() {
	local said
	if said=$(coverage_report "$2" 2>&1); then
		die "the report of coverage finds nothing wrong" "expected: $1"
	fi
	grep -q -E "^error: .*$1" <<<"$said" ||
		die "the report of coverage refuses for another reason: $(tail -n 1 <<<"$said")" "expected: $1"
	grep '^error: ' <<<"$said"
}

coverage_reports() {
	local file line why7 why9
	for file in "${COVERAGE_FILES[@]}"; do
		mkdir -p "$CHECK_DIR/tree/${file%/*}"
		for line in {1..40}; do printf '\t{ "%s: %d" -- }\n' "$file" "$line"; done >"$CHECK_DIR/tree/$file"
	done
	file=${COVERAGE_FILES[0]}
	why7="$file f: { \"$file: 7\" -- } -- no way there"
	why9="$file f: { \"$file: 9\" -- } -- none either"

	counts 7 9 >"$CHECK_DIR/gcov.json"
	coverage_report "$(printf '# a comment\n\n%s\n%s' "$why7" "$why9")" >"$CHECK_DIR/report"
	cat "$CHECK_DIR/report"
	grep -q -E "^$file +40 +38 +95.0 +80 +40$" "$CHECK_DIR/report" || die "the table is wrong"
	grep -q -A 1 -F "$file:7 f(): { \"$file: 7\" -- }" "$CHECK_DIR/report" || die "a line is missing"
	grep -q -x '    no way there' "$CHECK_DIR/report" || die "a reason is missing"
	[ "$(grep -c 'taken: ' "$CHECK_DIR/branches")" -eq $((${#COVERAGE_FILES[@]} * 40 - 2)) ] || die "the branches are wrong"

	coverage_refused "no reason: $file:9" "$why7"
	coverage_refused "reached by now, or gone: $file f: . .*: 8. -- .$" \
		"$(printf '%s\n' "$why7" "$why9" "${why7/: 7/: 8}")"
	coverage_report "$(printf '%s\n' "$why7" "$why9" "$file f: { \"$file: 8\" -- } -- race: two that meet")"
	coverage_refused "reached by now, or gone: $file g: " \
		"$(printf '%s\n' "$why7" "$why9" "${why7/ f: / g: }")"
	coverage_refused 'not .<file> <function>: <text> -- <reason>.: msi-iommu.c 7$' 'msi-iommu.c 7'
	counts 7 9 11 >"$CHECK_DIR/gcov.json"
	coverage_refused "$file: 92.5 %, less than 95" \
		"$(printf '%s\n' "$why7" "$why9" "${why7/: 7/: 11}")"
	counts | sed '$d' >"$CHECK_DIR/gcov.json"
	coverage_refused 'nothing was counted in drivers/iommu/iommufd/msi.c' ''
}

# A reason is for a line that is there
coverage_exceptions() {
	local file text
	while IFS=$'\t' read -r file text; do
		sed 's/^[[:blank:]]*//' "$KTREE/$file" | grep -xF -- "$text" >/dev/null ||
			die "no such line in $file: $text" "change it in scripts/coverage-exceptions: make coverage tells what is not covered"
	done < <(sed -n 's/^\([^# ]*\) [^ ]*: \(.*\) -- .*/\1\t\2/p' scripts/coverage-exceptions)
}

check report coverage_reports 120 prepare/packages
check exceptions coverage_exceptions 60 prepare/tree
