# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# What the groups of static checks share; each sources it.

. "$ROOT/scripts/patchset.sh"

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

# kmake <arch> <tree> <object dir> <make arguments...>
kmake() {
	local arch=$1 tree=$2 out=$3 compiler
	shift 3
	case $arch in
	arm64) compiler=aarch64-linux-gnu- ;;
	arm) compiler=arm-linux-gnueabihf- ;;
	x86_64) compiler=x86_64-linux-gnu- ;;
	clang) arch=arm64 compiler='' ;;
	esac
	if [ -n "$compiler" ]; then
		set -- "CROSS_COMPILE=$compiler" "CC=ccache ${compiler}gcc" "$@"
	else
		set -- LLVM=1 "CC=ccache clang" "$@"
	fi
	make -C "$tree" "O=$out" "ARCH=$arch" LOCALVERSION= -j"$(nproc)" "$@"
}

# kconfigure <arch> <tree> <object dir> <fragments...>: .config is written
# only when a value changes
kconfigure() {
	local arch=$1 tree=$2 out=$3
	shift 3
	mkdir -p "$out"
	cat "$@" >"$out/wanted.config"
	kmake "$arch" "$tree" "$out" "KCONFIG_CONFIG=$out/new.config" \
		"KCONFIG_ALLCONFIG=$out/wanted.config" allnoconfig
	if ! cmp -s "$out/new.config" "$out/.config"; then
		cp "$out/new.config" "$out/.config"
	fi
}

# in_effect <object dir>: what the fragments want is in .config; the last
# mention of an option counts
in_effect() {
	local missing
	missing=$(sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1/p; s/^# \(CONFIG_[A-Za-z0-9_]*\) is not set/\1/p' "$1/wanted.config" |
		sort -u | while IFS= read -r option; do
			wanted=$(grep -E "^(# )?${option}[= ]" "$1/wanted.config" | tail -n 1)
			case $wanted in
			*=*) grep -qxF "$wanted" "$1/.config" || echo "$wanted" ;;
			*) ! grep -q "^$option=" "$1/.config" || echo "$wanted" ;;
			esac
		done | paste -sd' ')
	if [ -n "$missing" ]; then
		die "options that did not take effect: $missing"
	fi
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
