# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034,SC2054
#
# What compilers and sparse say, commit by commit and against the base. One
# tree and one object directory walk from the base to the end of the series,
# so that each commit costs what it changes.

. "$ROOT/scripts/checks/common.sh"
. "$ROOT/scripts/initramfs.sh"
. "$ROOT/scripts/selftests.sh"

one_by_one
check commits-build static_commits 2000 prepare/tree prepare/root builds/modules
check setups static_setups 7200 prepare/root prepare/programs
by_name setups
check sparse-w1 static_sparse 1200 kernels/base
check kernel-doc static_kernel_doc 600 prepare/tree
check doc-example static_doc_example 120 prepare/tree prepare/programs
check errnos static_errnos 60 prepare/tree
check layout static_layout 300 prepare/programs
check kselftest-install static_kselftest_install 300 prepare/programs kernels/base

# Named as seen from each other like every kernel's tree and object directory
# (../linux): what another build compiled, ccache has.
WALK=$KBUILD/walk/linux
WALK_OUT=$KBUILD/walk/arm64

# The configuration of builds/modules, which most of the objects come from
WALK_CONFIG=(configs/base.config configs/kunit.config "$CONFIGS/arm64.config" "$CONFIGS/modules.config")

# walk_tree <commit>
walk_tree() {
	kernel_worktree "$WALK"
	# What was killed may have left its lock; nobody else is in this tree.
	rm -f "$(KGIT_TREE=$WALK kgit rev-parse --absolute-git-dir)/index.lock"
	KGIT_TREE=$WALK kgit checkout -q --force --detach "$1"
}

# walk_to <commit>: the tree, and its configuration where Kconfig files changed
walk_to() {
	local from with changed
	walk_tree "$1"
	with=$(cat "${WALK_CONFIG[@]}" | sha256sum)
	read -r from _ 2>/dev/null <"$WALK_OUT/configured" || from=
	if [ -n "$from" ] && [ "$(cat "$WALK_OUT/configured")" = "$from $with" ] &&
		changed=$(kgit diff --name-only "$from" "$1" 2>/dev/null) &&
		! grep -q Kconfig <<<"$changed"; then
		return 0
	fi
	rm -f "$WALK_OUT/configured"
	kconfigure arm64 "$WALK" "$WALK_OUT" "${WALK_CONFIG[@]}"
	echo "$(kgit rev-parse "$1") $with" >"$WALK_OUT/configured"
}

# Each commit compiles that changes more than texts. At least every eighth is linked, as
# well: that is where most of the time would go. So is the end of each group that is
# posted by itself, which boots, and passes the KUnit tests that it has. The last comes
# first: it is what builds/modules has linked, and its objects are there.
static_commits() {
	local commit dirs title n=0 since=0 commits targets ends WALK_OUT=$KBUILD/walk/commits
	mapfile -t dirs < <(touched_dirs)
	mapfile -t commits < <(kgit rev-list base..msi-iommu -- . ':!Documentation' ':!MAINTAINERS')
	ends=$(group_ends)
	walk_tree "${commits[0]}"
	if [ ! -e "$WALK_OUT/.config" ]; then
		adopt "$KBUILD/check-modules" "$KTREE" "$WALK_OUT" "$WALK"
	fi
	for commit in "${commits[@]}"; do
		n=$((n + 1)) since=$((since + 1))
		title=$(kgit show -s --format='%h %s' "$commit")
		echo "== $title"
		walk_to "$commit"
		targets=("${dirs[@]}")
		if grep -qx "$commit" <<<"$ends"; then
			targets=(Image modules) since=0
		elif [ "$since" -eq 8 ]; then
			targets=(vmlinux modules) since=0
		fi
		kmake arm64 "$WALK" "$WALK_OUT" "${targets[@]}" || die "does not build: $title"
		[ "${targets[0]}" != Image ] || boots "$n" || die "does not boot: $title"
		[ "$n" -gt 1 ] || all_compiled
	done
}
# The last commit of each group, in order
group_ends() {
	kgit rev-list --reverse base..msi-iommu |
		awk 'NR == FNR { last[$3]; next } FNR in last' <(series_groups) -
}
boots() {
	local log=$CHECK_DIR/boot-$1.log
	scripts/boot.sh --profile walk/commits --append "$KUNIT" --run true --log "$log" --timeout 180 || return
	# The first groups have no tests
	if grep -qs '^CONFIG_IOMMU_MSI_KUNIT_TEST=y' "$WALK_OUT/.config"; then
		cp "$log" "${log%log}ktap"
		suites_ran "$log"
	fi
}

# What works on the base works at the end of each group, on machines of several kinds,
# by programs that ask for nothing new. Only for who names it.
SETUPS=('smmuv3-its its smmuv3' 'smmuv3-v2m v2m smmuv3 VECTORS=32' 'virtio-its its virtio'
	'noiommu-its its none DISK=no')
TESTS_SETUPS=(iommu_msi_test,-f,edu iommu_msix_test,-T,dynamic iommu_msi_share_test,-f,pair)
static_setups() {
	local commit n=0 name gic iommu environment tests host=$CHECK_DIR/host
	local WALK_OUT=$KBUILD/walk/setups WALK_CONFIG=(configs/base.config configs/kunit.config)
	scripts/programs.sh
	for commit in $(kgit rev-parse base) $(group_ends); do
		echo "== $(kgit show -s --format='%h %s' "$commit")"
		walk_to "$commit"
		kmake arm64 "$WALK" "$WALK_OUT" Image || die "$commit does not build"
		while read -r name gic iommu environment; do
			tests=("${TESTS_SETUPS[@]}")
			[ "$iommu" != none ] || tests=("${TESTS_NOIOMMU[@]}")
			setup "$n-$name" --gic "$gic" --iommu "$iommu" --add "$BUILD/programs/root" \
				--run "DOORBELLS=unknown $environment sh /tests/run-tests ${tests[*]}"
			cp "$CHECK_DIR/$n-$name.log" "$CHECK_DIR/$n-$name.ktap"
		done < <(printf '%s\n' "${SETUPS[@]}")
		guest_root walk/setups "$host" "$CHECK_DIR"
		setup "$n-guest-its" --gic its --kvm --add "$host" --run 'sh /demo/host 3'
		setup "$n-guest-v2m" --gic v2m --kvm --add "$host" --run 'sh /demo/host 2'
		n=$((n + 1))
	done
}
setup() {
	scripts/boot.sh --profile walk/setups "${@:2}" --log "$CHECK_DIR/$1.log" --timeout 300 ||
		die "what works on the base does not, after so many groups: $1" "" "$CHECK_DIR/$1.log"
}
# A file that no configuration compiles is not checked by this.
all_compiled() {
	local file
	in_effect "$WALK_OUT"
	while IFS= read -r file; do
		grep -qsF "/$file " "$WALK_OUT/$(dirname "$file")"/.*.o.cmd ||
			die "$file was not compiled: extend scripts/checks/arm64.config"
	done < <(touched '^(drivers|kernel)/.*\.c$')
}

# The files that have an object of their own; others are included by one that has.
touched_objects() {
	local file
	touched '^(drivers|kernel)/.*\.c$' | while IFS= read -r file; do
		kgit grep -qF "#include \"${file##*/}\"" msi-iommu -- "${file%/*}" || echo "$file"
	done
}

# The touched files alone, at the base and at the end.
diagnose() {
	local objects=() file
	walk_to "$1"
	while IFS= read -r file; do
		if [ -f "$WALK/$file" ]; then objects+=("${file%.c}.o"); fi
	done < <(touched_objects)
	[ ${#objects[@]} -gt 0 ] || die "no file of the series is compiled at $1"
	rm -f "${objects[@]/#/$WALK_OUT/}"
	kmake arm64 "$WALK" "$WALK_OUT" W=1 C=2 KCFLAGS=-Wno-error "${objects[@]}"
}
static_sparse() {
	walk_tree base
	if [ ! -e "$WALK_OUT/.config" ]; then
		adopt "$KBUILD/base" "$KTREE" "$WALK_OUT" "$WALK"
	fi
	logged "$CHECK_DIR/base.log" "compiling the base with W=1 C=2" diagnose base
	logged "$CHECK_DIR/series.log" "compiling the series with W=1 C=2" diagnose msi-iommu
	grep -q '^  CHECK ' "$CHECK_DIR/series.log" || die "sparse did not run"
	no_new_diagnostics "$CHECK_DIR/base.log" "$CHECK_DIR/series.log"
}

static_kernel_doc() {
	local commit files=()
	for commit in base msi-iommu; do
		mkdir "$CHECK_DIR/$commit"
		mapfile -t files < <(touched '\.[ch]$' | while IFS= read -r file; do
			if kgit cat-file -e "$commit:$file" 2>/dev/null; then echo "$file"; fi
		done)
		kgit archive "$commit" -- "${files[@]}" scripts/kernel-doc | tar -x -C "$CHECK_DIR/$commit"
		(cd "$CHECK_DIR/$commit" && scripts/kernel-doc -none -Wall "${files[@]}") \
			>"$CHECK_DIR/$commit.log" 2>&1 || die "kernel-doc failed" "" "$CHECK_DIR/$commit.log"
	done
	! grep -iE "(can't|cannot|unable to) open|no such file" "$CHECK_DIR/msi-iommu.log" || die "kernel-doc did not run"
	sed -i 's/^\([a-zA-Z/0-9_.-]*\):[0-9]*: warning/\1: warning/' "$CHECK_DIR"/*.log
	no_new_diagnostics "$CHECK_DIR/base.log" "$CHECK_DIR/msi-iommu.log"
}

# example <page> <the title after it> <a function of it>: what a page of the
# documentation shows must compile, as a user would do it.
example() {
	local source=$CHECK_DIR/$3.c
	sed -n "/^The window for MSIs\$/,/^$2\$/s/^\t//p" "$KTREE/Documentation/$1" >"$source"
	grep -q "$3" "$source" || die "$1 has no example"
	aarch64-linux-gnu-gcc -Wall -Wextra -Werror -isystem "$BUILD/programs/headers/include" \
		-c -o "${source%c}o" "$source"
}
static_doc_example() {
	example driver-api/vfio.rst 'IOMMUFD and vfio_iommu_type1' move_msi_window
	example userspace-api/iommufd.rst 'IOMMUFD Kernel API' ioas_with_window
}

static_errnos() {
	scripts/checks/errnos.py "$KTREE" tools/testing/selftests/iommu_msi scripts/checks/errnos-untested
}

# What user space hands over has one layout, whatever a pointer is and however a u64 is
# aligned: there is no other entry for programs of 32 bits.
STRUCTS=(iommu_ioas_msi_window iommu_msi_info vfio_iommu_type1_info_cap_msi_aperture
	vfio_iommu_type1_dma_map)
static_layout() {
	local arch
	scripts/programs.sh 32bit
	layout headers aarch64-linux-gnu-gcc >"$CHECK_DIR/arm64"
	layout headers-32bit arm-linux-gnueabihf-gcc >"$CHECK_DIR/arm"
	layout headers-32bit x86_64-linux-gnu-gcc -m32 >"$CHECK_DIR/i386"
	[ -s "$CHECK_DIR/arm64" ] || die "no member is found"
	for arch in arm i386; do
		diff "$CHECK_DIR/arm64" "$CHECK_DIR/$arch" || die "a program for $arch has another layout"
	done
}
# layout <headers> <compiler...>: where each member begins and how long it is
layout() {
	local headers=$BUILD/programs/$1/include struct member
	local show='asm("@%s %%c0 %%c1" :: "i"(%s), "i"(sizeof(%s)));\n'
	shift
	{
		printf '#include <linux/%s.h>\n' iommufd vfio
		echo 'void layout(void) {'
		for struct in "${STRUCTS[@]}"; do
			# shellcheck disable=SC2059
			printf "$show" "$struct" 0 "struct $struct"
			sed -n "/^struct $struct {/,/^};/s/.*[[:space:]]\([a-z0-9_]*\);.*/\1/p" \
				"$headers"/linux/{iommufd,vfio}.h | while IFS= read -r member; do
				# shellcheck disable=SC2059
				printf "$show" "$struct.$member" "__builtin_offsetof(struct $struct, $member)" \
					"((struct $struct *)0)->$member"
			done
		done
		echo '}'
	} | "$@" -S -O2 -isystem "$headers" -x c -o - - | sed -n 's/.*@\([a-z0-9_.]* [0-9]* [0-9]*\)$/\1/p'
}

# What make kselftest-install makes of the selftests: programs.sh has called it for
# the programs, here it is for the modules, against the base kernel.
static_kselftest_install() {
	local tree=$CHECK_DIR/tree installed=$CHECK_DIR/installed programs=$BUILD/programs/kselftest test
	for test in tools/testing/selftests/iommu_msi/*_test.c; do
		test=$(basename "$test" .c)
		[ -x "$programs/iommu_msi/$test" ] || die "make kselftest-install leaves out $test"
		grep -q "iommu_msi:$test" "$programs/kselftest-list.txt" || die "kselftest-list.txt has no $test"
	done
	mkdir -p "$tree"
	kgit archive msi-iommu -- Makefile scripts tools include arch/arm64/include arch/arm64/Makefile | tar -x -C "$tree"
	cp -R tools/testing/lib tools/testing/selftests "$tree/tools/testing/"
	ln -s "$BUILD/programs/headers" "$tree/usr"
	make -C "$tree/tools/testing/selftests" ARCH=arm64 CC=aarch64-linux-gnu-gcc TARGETS=iommu_msi TEST_GEN_PROGS= \
		CROSS_COMPILE=aarch64-linux-gnu- "KDIR=$KBUILD/base" "INSTALL_PATH=$installed" install
	for test in tools/testing/selftests/iommu_msi/test_modules/*.c; do
		test=test_modules/$(basename "$test" .c).ko
		[ -s "$installed/iommu_msi/$test" ] || die "make kselftest-install leaves out $test"
	done
}
