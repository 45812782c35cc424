# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The repository's own files.

check shellcheck source_shellcheck 120 prepare/packages
check python source_python 120 prepare/packages
check licence source_licence 120
check hygiene source_hygiene 120
check docs source_docs 120

source_shellcheck() {
	local scripts
	mapfile -t scripts < <(pgit grep -lIE '^#!.*\b(ba)?sh$|^# shellcheck shell=' -- . ':!patches')
	[ ${#scripts[@]} -gt 5 ] || die "no scripts found"
	shellcheck "${scripts[@]}"
	printf '%d scripts\n' ${#scripts[@]}
}

source_python() {
	local scripts
	mapfile -t scripts < <(pgit grep -lI '^#!.*python3' -- . ':!patches')
	PYTHONPYCACHEPREFIX=$CHECK_DIR python3 -W error -m py_compile "${scripts[@]}"
}

# Not in the licence itself, nor where a format of the kernel has no comment.
source_licence() {
	local missing
	missing=$(pgit grep -LI 'SPDX-License-Identifier: ' -- . ':!COPYING' ':!patches' \
		':!MAINTAINERS' ':!Documentation/ABI' || true)
	[ -z "$missing" ] || die "no SPDX line in: $(paste -sd' ' <<<"$missing")"
}

# forbidden <what> <pattern> [<pathspec...>]
forbidden() {
	local what=$1 pattern=$2
	shift 2
	if pgit grep -nIE "$pattern" -- . "$@"; then
		die "$what in tracked files"
	fi
}

source_hygiene() {
	forbidden "a path of one machine" '(^|[^A-Za-z0-9_.})"*-])/(wor[k]|hom[e]|far[m])/'
	forbidden "the host of a package registry" \
		'(deb|security|snapshot|ftp)\.debia[n]\.org|registry\.npmj[s]|pypi\.or[g]'
	forbidden "white space at the end of a line" '[[:blank:]]+$' ':!patches' ':!tools/clients/*.patch' ':!COPYING'
	forbidden "a conflict marker" '^(<<<<<<<|>>>>>>>) '
	forbidden "a leftover" '\b(XX[X]|FIXM[E]|TOD[O])\b' ':!patches'
	if pgit ls-files -i -c --exclude-standard | grep .; then
		die "files that .gitignore ignores are tracked"
	fi
}

# anchors <page>: as headings are linked to
anchors() {
	sed -n 's/^##* //p' "$1" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-'
}

# What a page links to is there, and so are the checks and targets that it names
source_docs() {
	local page name names file pages=(README.md docs/*.md)
	[ "$(wc -l <README.md)" -le 200 ] || die "README.md has more than 200 lines"
	for page in "${pages[@]}"; do
		while IFS= read -r name; do
			file=${name%%#*}
			file=$(dirname "$page")/${file:-$(basename "$page")}
			[ -e "$file" ] || die "$page links to $name, which is not there"
			[ "$name" = "${name%%#*}" ] || anchors "$file" | grep -qxF -- "${name#*#}" ||
				die "$page links to $name, and there is no such heading"
		done < <(grep -o ']([^)]*)' "$page" | sed 's/^](//; s/)$//')
		while read -r -a names; do
			scripts/check.sh --list "${names[@]}" >/dev/null
		done < <(sed -nE 's/.*CHECK=("([a-z0-9 /-]+)"|([a-z0-9/-]+)).*/\2\3/p' "$page")
		while read -r name; do
			grep -q "^$name:" Makefile || die "$page names make $name, which is no target"
		done < <(grep -oE '(^    |`|&& )make (-C [a-z-]+ )?[a-z][a-z-]*' "$page" | sed 's/.* //')
	done
	printf '%d pages\n' "${#pages[@]}"
}
