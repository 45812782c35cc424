#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: programs.sh [modules <profile> | 32bit]
#
# Leaves the arm64 programs that a machine runs in build/programs, compiled once
# for all of them, with the headers of the build tree:
#
#   root/tests     the selftests, as make kselftest-install installs them, lsmsi
#   root/examples  what an author of a VMM can begin with
#   root/stress, root/fuzz, root/demo, root/bench
#   kselftest      what make kselftest-install made, with its list
#   headers        the kernel's headers for user space
#
# with `32bit` the selftests and lsmsi once more, as programs of 32-bit Arm, in
# build/programs/32bit/tests, and their headers in build/programs/headers-32bit,
# and with `modules` the test modules for that profile's kernel, built out of
# tree as a user of the API would, in build/programs/<profile>/tests.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PROGRAMS=$BUILD/programs
TESTING=$ROOT/tools/testing
MODULES=("$TESTING"/selftests/iommu_msi/test_modules/*.c "$ROOT"/tools/boot/modules/*.c
	"$ROOT"/tools/bench/modules/*.[ch])

# changed <stamp> <command...>: whether what the command prints is new
changed() {
	local stamp=$1
	shift
	"$@" >"$stamp.now"
	! cmp -s "$stamp.now" "$stamp"
}
done_with() { mv "$1.now" "$1"; }

sources() { find "$@" -type f -print0 | sort -z | xargs -0 sha256sum; }

# Where git says that a tree is as committed, it has a name
tree_state() {
	KGIT_TREE=$1 kgit rev-parse HEAD
	if [ -n "$(KGIT_TREE=$1 kgit status --porcelain | head -n 1)" ]; then
		date
	fi
}

programs_state() {
	tree_state "$KTREE"
	aarch64-linux-gnu-gcc -dumpfullversion
	sources "$TESTING" "$ROOT/tools/iommu" "$ROOT/tools/boot" "$ROOT/tools/bench" "$ROOT/scripts/programs.sh"
}

# compile_alone <program> <arguments...>
compile_alone() {
	local program=$1
	shift
	mkdir -p "$(dirname "$program")"
	aarch64-linux-gnu-gcc -Wall -Wextra -Werror -O2 -static -isystem "$PROGRAMS/headers/include" \
		-o "$program" "$@"
}
# compile <program> <sources...>: with tools/testing/lib
compile() { compile_alone "$@" -I"$TESTING" "$TESTING"/lib/*.c; }

# kselftest <arch> <compiler> <headers> <directory>: the selftests in the place that they
# have in a kernel tree
kselftest() {
	local tree=$PROGRAMS/tree flags=-Werror
	mkdir -p "$tree"
	kgit archive HEAD -- Makefile scripts tools/build tools/scripts tools/include tools/testing/selftests/Makefile \
		tools/testing/selftests/lib.mk tools/testing/selftests/kselftest tools/testing/selftests/kselftest.h \
		tools/testing/selftests/kselftest_deps.sh tools/testing/selftests/kselftest_harness.h \
		tools/testing/selftests/kselftest_install.sh tools/testing/selftests/run_kselftest.sh | tar -x -C "$tree"
	cp -R "$TESTING/lib" "$TESTING/selftests" "$tree/tools/testing/"
	ln -sfn "$3" "$tree/usr"
	# The harness makes each operand 64 bits wide, pointers, too
	[ "$1" != arm ] || flags+=' -Wno-pointer-to-int-cast'
	make -C "$tree/tools/testing/selftests" "ARCH=$1" "CC=$2" TARGETS=iommu_msi \
		"USERCFLAGS=$flags" TEST_GEN_MODS_DIR= "INSTALL_PATH=$4" install
	rm -rf "$tree"
}

# headers <arch> <directory>
headers() {
	make -C "$KTREE" "O=$PROGRAMS/object" "ARCH=$1" headers_install "INSTALL_HDR_PATH=$2"
	rm -rf "$PROGRAMS/object"
}

# lsmsi <compiler> <program>
lsmsi() {
	make -C "$ROOT/tools/iommu" "O=$PROGRAMS/lsmsi" "CC=$1" LDFLAGS=-static
	cp "$PROGRAMS/lsmsi/lsmsi" "$2"
	rm -rf "$PROGRAMS/lsmsi"
}

build_programs() {
	local root=$PROGRAMS/root example
	headers arm64 "$PROGRAMS/headers"
	kselftest arm64 aarch64-linux-gnu-gcc "$PROGRAMS/headers" "$PROGRAMS/kselftest"
	mkdir -p "$root/tests"
	cp "$PROGRAMS"/kselftest/iommu_msi/* "$ROOT"/tools/boot/run-{kexec,modules,tests} \
		"$ROOT"/tools/boot/{window-parameter,examples-test,reserved-test} "$root/tests/"
	for example in "$ROOT"/tools/iommu/examples/*.c; do
		compile_alone "$root/examples/$(basename "$example" .c)" "$example"
	done
	lsmsi aarch64-linux-gnu-gcc "$root/tests/lsmsi"
	compile "$root/stress/stress" "$TESTING/stress/stress.c"
	compile "$root/fuzz/fuzz" "$TESTING"/fuzz/*.c
	compile "$root/tests/hold-devices" "$ROOT/tools/boot/hold-devices.c"
	compile "$root/demo/window-demo" "$ROOT/tools/boot/window-demo.c"
	compile "$root/demo/smmu-demo" "$ROOT/tools/boot/smmu-demo.c"
	compile "$root/demo/vdpa-demo" "$ROOT/tools/boot/vdpa-demo.c"
	compile "$root/bench/irqs_bench" "$ROOT/tools/bench/irqs_bench.c"
	cp "$ROOT/tools/bench/run-bench" "$root/bench/"
}

build_32bit() {
	local out=$PROGRAMS/32bit headers=$PROGRAMS/headers-32bit
	headers arm "$headers"
	kselftest arm arm-linux-gnueabihf-gcc "$headers" "$out"
	mv "$out/iommu_msi" "$out/tests"
	rm -f "$out"/*.*
	lsmsi arm-linux-gnueabihf-gcc "$out/tests/lsmsi"
}

modules_state() {
	cat "$objects/.built" 2>/dev/null || date
	sources "${MODULES[@]}"
}

build_modules() {
	local source=$out/source file
	rm -rf "$out"
	mkdir -p "$source" "$out/tests"
	cp "${MODULES[@]}" "$source/"
	for file in "$source"/*.c; do
		# The base has nothing that these could be built on
		if [ "$profile" = vanilla ] && [[ $file == */msi_mock_* ]]; then
			continue
		fi
		file=${file##*/}
		echo "obj-m += ${file%.c}.o"
	done >"$source/Kbuild"
	make -C "$tree" "O=$objects" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
		LOCALVERSION= "M=$source" modules
	mv "$source"/*.ko "$out/tests/"
	rm -rf "$source"
}

mkdir -p "$PROGRAMS" "$LOGDIR"
case ${1:-} in
'')
	in_lock "$BUILD/.programs.lock"
	if changed "$PROGRAMS/.programs" programs_state; then
		msg "compiling the programs for the machine"
		rm -rf "$PROGRAMS/root" "$PROGRAMS/kselftest" "$PROGRAMS/headers"
		logged "$LOGDIR/programs.log" "compiling the programs" build_programs
		done_with "$PROGRAMS/.programs"
	fi
	;;
32bit)
	in_lock "$BUILD/.programs.lock"
	if changed "$PROGRAMS/.32bit" programs_state; then
		rm -rf "$PROGRAMS"/{,headers-}32bit
		logged "$LOGDIR/programs-32bit.log" "compiling the programs of 32 bits" build_32bit
		done_with "$PROGRAMS/.32bit"
	fi
	;;
modules)
	profile=${2:?}
	tree=$KTREE objects=$KBUILD/$profile out=$PROGRAMS/$profile
	if [ "$profile" = vanilla ]; then
		tree=$KBUILD/pristine/linux objects=$KBUILD/pristine/$profile
	fi
	in_lock "$BUILD/.modules-$profile.lock"
	if changed "$PROGRAMS/.$profile" modules_state; then
		logged "$LOGDIR/modules-$profile.log" "building the modules for $profile" \
			build_modules
		done_with "$PROGRAMS/.$profile"
	fi
	;;
*) die "programs.sh: unknown argument '$1'" "usage: programs.sh [modules <profile> | 32bit]" ;;
esac
