# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# The repository's own files.

check shellcheck source_shellcheck 120 prepare/packages
check python source_python 120 prepare/packages
check licence source_licence 120
check hygiene source_hygiene 120

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
