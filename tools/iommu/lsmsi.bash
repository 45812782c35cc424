# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of lsmsi in bash: its options, the devices that an IOMMU group has, and
# the groups. LSMSI_SYS is for its test.

_lsmsi() {
	local word=${COMP_WORDS[COMP_CWORD]} sys=${LSMSI_SYS:-/sys} words=() path
	case $word in
	-*) words=(--json --watch --watch= --root= --help --version) ;;
	*)
		for path in "$sys"/kernel/iommu_groups/* "$sys"/kernel/iommu_groups/*/devices/*; do
			[ ! -e "$path" ] || words+=("${path##*/}")
		done
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "${words[*]}" -- "$word")
	# A PCI address is one word for the shell, and several for readline
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$word"
	fi
	case ${COMPREPLY[*]} in
	--root= | --watch=) compopt -o nospace 2>/dev/null ;;
	esac
}
complete -F _lsmsi lsmsi
