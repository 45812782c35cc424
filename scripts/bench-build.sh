# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What bench.sh and its check share. Source it after lib.sh.

BENCH=$ROOT/tools/bench
SELFTESTS=$ROOT/tools/testing/selftests/iommu_msi

# kernel_tree <profile>, kernel_objects <profile>: as build.sh has them
kernel_tree() { if [ "$1" = vanilla ]; then echo "$KBUILD/pristine/linux"; else echo "$KTREE"; fi; }
kernel_objects() { if [ "$1" = vanilla ]; then echo "$KBUILD/pristine/vanilla"; else echo "$KBUILD/$1"; fi; }

# build_modules <profile> <source, which is written to>
build_modules() {
	make -C "$(kernel_tree "$1")" "O=$(kernel_objects "$1")" ARCH=arm64 \
		CROSS_COMPILE=aarch64-linux-gnu- LOCALVERSION= "M=$2" modules
}

# build_program <profile> <file>
build_program() {
	aarch64-linux-gnu-gcc -Wall -Werror -O2 -static -pthread \
		-isystem "$(kernel_objects "$1")/usr-headers/include" -I"$SELFTESTS" \
		-o "$2" "$BENCH/irqs_bench.c" "$SELFTESTS/vfio_util.c"
}

# build_bench <profile> <directory>: leaves what goes over the machine's root
# in <directory>/root. The same program and modules for both kernels.
build_bench() {
	local dir=$2
	rm -rf "$dir"
	mkdir -p "$dir/root/bench"
	cp -R "$BENCH/modules" "$dir/modules"
	build_modules "$1" "$dir/modules"
	build_program "$1" "$dir/root/bench/irqs_bench"
	cp "$dir"/modules/*.ko "$BENCH/run-bench" "$dir/root/bench/"
}
