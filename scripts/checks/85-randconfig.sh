# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034
#
# What the series touches, in configurations that nobody has thought of: always the
# same ones. Each must compile, with no warning in a file of the series, and what is
# built in must not need what is in a module. Only for who asks: CHECK=randconfig.

. "$ROOT/scripts/checks/common.sh"

SEEDS=(arm64-1 arm64-2 arm64-3 arm64-4 arm-5 arm-6 arm-7 x86_64-8 x86_64-9 x86_64-10)
for seed in "${SEEDS[@]}"; do
	eval "randconfig_${seed/-/_}() { randconfig ${seed/-/ }; }"
	check "$seed" "randconfig_${seed/-/_}" 1200 prepare/tree
	when_asked "$seed"
done

# randconfig <arch> <seed>
randconfig() {
	local arch=$1 out=$KBUILD/random-$1-$2 dirs
	mapfile -t dirs < <(touched_dirs)
	rm -rf "$out"
	mkdir -p "$out"
	# Two of three options, and tristate ones as often built in as modules
	KCONFIG_SEED=$2 KCONFIG_PROBABILITY=66:33:33 KCONFIG_ALLCONFIG=$CONFIGS/random.config \
		kmake "$arch" "$KTREE" "$out" randconfig
	logged "$CHECK_DIR/build.log" "compiling seed $2 for $arch" kmake "$arch" "$KTREE" "$out" "${dirs[@]}"
	no_warnings "$CHECK_DIR/build.log"
	no_module_needed "$arch" "$out" "${dirs[@]}"
	rm -rf "$out"
}

# no_warnings <log>: other files have those of the base
no_warnings() {
	local found
	found=$(touched '\.[ch]$' | sed 's/[.]/[.]/g; s/$/:[0-9]*:.*warning:/' | grep -f - "$1" || true)
	[ -z "$found" ] || die "$(wc -l <<<"$found") warnings: $(head -n 1 <<<"$found")"
}

# no_module_needed <arch> <object dir> <directories...>
no_module_needed() {
	local out=$2 cross compiler wanted
	cross "$1"
	cd "$out" || die "no $out"
	find "${@:3}" -name built-in.a -size +8c >"$CHECK_DIR/built-in"
	find "${@:3}" -name modules.order -exec cat {} + | sort -u >"$CHECK_DIR/modules"
	wanted=$(comm -12 <(defined "$CHECK_DIR/modules") <(comm -23 <(names -u "$CHECK_DIR/built-in") \
		<(defined "$CHECK_DIR/built-in")) | paste -sd' ')
	[ -z "$wanted" ] || die "built in needs of a module: $wanted"
	# The subsystem's own, where it is left out
	wanted=$(comm -23 <(cat "$CHECK_DIR/built-in" "$CHECK_DIR/modules" >"$CHECK_DIR/all"
		names -u "$CHECK_DIR/all" | grep '^iommu_msi_') <(defined "$CHECK_DIR/built-in") | paste -sd' ')
	[ -z "$wanted" ] || die "nobody has: $wanted"
}
names() { xargs -r "${compiler%gcc}nm" "$1" <"$2" 2>/dev/null | awk 'NF > 1 { print $NF }' | sort -u; }
defined() { names --defined-only "$1"; }
