# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How a kernel is configured and built, for each compiler here; source after
# lib.sh. An <arch> is arm64, arm, x86_64, i386, or clang, which builds for arm64.

# The programs that a build runs itself, the same for each, come from ccache, too:
# Debian has compilers of these names there.
HOST_PATH=/usr/lib/ccache:$PATH

# cross <arch>: sets `cross`, what make takes for it, and `compiler`
cross() {
	case $1 in
	arm64) cross=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-) ;;
	arm) cross=(ARCH=arm CROSS_COMPILE=arm-linux-gnueabihf-) ;;
	i386) cross=(ARCH=i386 CROSS_COMPILE=x86_64-linux-gnu-) ;;
	x86_64) cross=(ARCH=x86_64 CROSS_COMPILE=x86_64-linux-gnu-) ;;
	clang) cross=(ARCH=arm64 LLVM=1) ;;
	*) die "kbuild.sh: unknown architecture '$1'" ;;
	esac
	compiler=clang
	if [ "$1" != clang ]; then
		compiler=${cross[1]#*=}gcc
	fi
}

# kmake <arch> <tree> <object dir> <make arguments...>
kmake() {
	local arch=$1 tree=$2 out=$3 cross compiler
	shift 3
	cross "$arch"
	PATH=$HOST_PATH make -C "$tree" "O=$out" "${cross[@]}" "CC=ccache $compiler" LOCALVERSION= -j"$(nproc)" "$@"
}

# kconfigure <arch> <tree> <object dir> <fragments...>: on allnoconfig, the
# last mention of an option counts. .config is written only when a value
# changes, so that nothing is built in vain.
kconfigure() {
	local arch=$1 tree=$2 out=$3 cross compiler status
	shift 3
	cross "$arch"
	mkdir -p "$out"
	attempt merge_config "$tree" "$out" "$@" >"$out/configure.log" 2>&1
	if [ "$status" -ne 0 ]; then
		tail -n 5 "$out/configure.log" | sed 's/^/  | /' >&2
		die "cannot configure ${out#"$ROOT"/}" "the last lines are above" "$out/configure.log"
	fi
	if ! cmp -s "$out/new.config" "$out/.config"; then
		cp "$out/new.config" "$out/.config"
	fi
}
merge_config() {
	local tree=$1 out=$2
	shift 2
	local fragments
	mapfile -t fragments < <(realpath "$@")
	cd "$tree" || return
	env "PATH=$HOST_PATH" "${cross[@]}" "KCONFIG_CONFIG=$out/new.config" LOCALVERSION= \
		scripts/kconfig/merge_config.sh -Q -n -O "$out" "${fragments[@]}"
}

# in_effect <object dir> [<pattern of options that the tree lacks>]: what the
# fragments want is what kconfigure got
in_effect() {
	local missing
	missing=$(awk -v lacks="${2:-^$}" '
		/^Requested value: / { want = substr($0, 19) }
		/^Actual value: / && want !~ lacks {
			if (substr($0, 19) != "" || want !~ / is not set$/)
				print want
		}' "$1/configure.log" | paste -sd' ')
	if [ -n "$missing" ]; then
		die "options that did not take effect: $missing" \
			"a dependency is not met: see its entry in the kernel's Kconfig" "$1/configure.log"
	fi
}

# adopt <object dir> <tree> <new object dir> <new tree>: objects that are up to date,
# for another configuration, or a tree of another commit, or both. make then compiles
# what depends on what differs.
adopt() {
	local from=$1 tree=$2 out=$3 new=$4 commit
	rm -rf "$out" "$out.tmp"
	cp -R "$from" "$out.tmp"
	rm -f "$out.tmp/.built" "$out.tmp/.steps" "$out.tmp/arch/arm64/boot/Image"
	find "$out.tmp" -name '*.cmd' -exec sed -i "s|$tree/|$new/|g" {} +
	# All of the same age, and younger than every source but those that differ
	touch "$out.stamp"
	find "$out.tmp" -exec touch -h -r "$out.stamp" {} +
	rm "$out.stamp"
	commit=$(KGIT_TREE=$new kgit rev-parse HEAD)
	KGIT_TREE=$tree kgit diff -z --name-only --no-renames --diff-filter=d HEAD "$commit" |
		(cd "$new" && xargs -0 -r touch -c)
	mv "$out.tmp" "$out"
}

# What an arm64 kernel of the configurations here is built from: half of the
# files. Kconfig files and Makefiles are read all the same.
sparse_patterns() {
	local dir
	echo '/*'
	for dir in Documentation 'arch/*' sound samples tools/perf tools/testing \
		drivers/{accel,gpu,hid,hwmon,iio,infiniband,'input/*',media,mtd,'net/*',scsi,staging,usb,video/fbdev} \
		fs/{bcachefs,btrfs,ext4,f2fs,nfs,nfsd,ntfs3,ocfs2,smb,xfs}; do
		echo "!/$dir/"
	done
	printf '%s\n' /arch/arm64/ /arch/x86/entry/syscalls/ '!/arch/arm64/boot/dts/' 'Kconfig*' 'Makefile*' 'Kbuild*'
}

# kernel_worktree <directory>: one to build in, of the base. Its stamp is
# written last: what a killed checkout left is made anew, and what has other
# files than it should.
kernel_worktree() {
	local dir=$1
	if ! sparse_patterns | cmp -s - "$dir/.complete"; then
		need_disk 1 "$KBUILD" "another tree of the kernel"
		worktree "$dir" --no-checkout
		sparse_patterns | KGIT_TREE=$dir kgit sparse-checkout set --no-cone --stdin
		KGIT_TREE=$dir kgit checkout -q --detach base
		sparse_patterns >"$dir/.complete"
	fi
}
