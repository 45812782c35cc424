# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# What the groups of static checks share; each sources it.

. "$ROOT/scripts/patchset.sh"
. "$ROOT/scripts/kbuild.sh"

CONFIGS=$ROOT/scripts/checks	# fragments of the builds that no profile has
DIRS=(drivers/iommu/ drivers/irqchip/ drivers/vfio/ kernel/irq/)

# touched <suffix pattern>: files of the series that are there at its end
touched() {
	kgit diff --name-only --no-renames --diff-filter=d base msi-iommu | grep -E "$1" || true
}

# The directories that a build of "what is touched" takes.
touched_dirs() {
	{
		printf '%s\n' "${DIRS[@]}"
		touched '\.c$' | sed 's|[^/]*$||' | grep -Ev '^(tools|samples|Documentation)/' || true
	} | sort -u | awk '{ for (d in seen) if (index($0, d) == 1) next; seen[$0]; print }'
}

# exported_by <directories...>: what the base exports there, by name
exported_by() {
	kgit grep -hoE 'EXPORT_[A-Z_]*SYMBOL[A-Z_]*\([A-Za-z0-9_]+' base -- "$@" | sed 's/.*(//'
}

# modpost_dirs <arch> <object dir> <Module.symvers of the rest> <directories...>; with
# no such file the rest exports whatever these directories want and do not have
modpost_dirs() {
	local arch=$1 out=$2 symvers=$3 dir objects=() modpost cross compiler
	modpost=("$out/scripts/mod/modpost" -M -T "$out/modules.touched")
	shift 3
	cross "$arch"
	for dir; do
		if [ -s "$out/${dir}built-in.a" ]; then objects+=("$out/${dir}built-in.a"); fi
		if [ -e "$out/${dir}modules.order" ]; then cat "$out/${dir}modules.order"; fi
	done >"$out/modules.touched"
	[ -s "$out/modules.touched" ] || die "no module is compiled in: $*"
	cd "$out" || die "no $out"
	"${compiler%gcc}ld" -r -o vmlinux.o --whole-archive "${objects[@]}"
	if [ -z "$symvers" ]; then
		symvers=wanted.symvers
		xargs "${compiler%gcc}nm" -u <modules.touched |
			awk '/ U / { print "0x00000000\t" $NF "\tvmlinux\tEXPORT_SYMBOL\t" }' | sort -u >"$symvers"
	fi
	"${modpost[@]}" -w -o own.symvers vmlinux.o >/dev/null 2>&1
	awk -F '\t' 'NR == FNR { own[$1]; next } !($2 in own)' \
		<(exported_by "$@"; cut -f2 own.symvers) "$symvers" >others.symvers
	"${modpost[@]}" -o all.symvers -i others.symvers vmlinux.o 2>modpost.log || {
		cat modpost.log
		die "the modules do not link: $(head -n 1 modpost.log)"
	}
	echo "$(wc -l <modules.touched) modules link"
}

# diagnostics <log>: wherever they stand in a file
diagnostics() {
	{ grep -aE '(warning|error|Warning|Error):' "$1" || true; } |
		sed -E 's/:[0-9]+(:[0-9]+)?:/:/g' | sort
}
# no_new_diagnostics <before> <after>
no_new_diagnostics() {
	local new
	new=$(comm -13 <(diagnostics "$1") <(diagnostics "$2"))
	if [ -n "$new" ]; then
		printf '%s\n' "$new"
		die "$(wc -l <<<"$new") diagnostics that the base does not have: $(head -n 1 <<<"$new")"
	fi
}
