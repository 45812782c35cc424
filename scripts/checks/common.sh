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
