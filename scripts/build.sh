#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: build.sh [base|vanilla|debug|kcsan|64k|16k|coverage|server]
#
# Leaves build/<version>/<profile>/arch/arm64/boot/Image. Builds what the build
# tree holds: the series, or the series and what you edit there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/kbuild.sh"

usage="usage: build.sh base|vanilla|debug|kcsan|64k|16k|coverage|server"
profile=${1:-base}
out=$KBUILD/$profile
log=$LOGDIR/kernel-$profile.log
tree=$KTREE
unpatched=0
fragments=("$ROOT/configs/base.config" "$ROOT/configs/kunit.config")
case $profile in
base) ;;
vanilla)
	# The object directory and the tree are named and nested as the others
	# are (../linux), so that ccache knows what did not change.
	unpatched=1
	tree=$KBUILD/pristine/linux
	out=$KBUILD/pristine/$profile
	;;
debug | kcsan | 64k | 16k | coverage | server)
	fragments+=("$ROOT/configs/$profile.config")
	;;
*) die "unknown profile '$profile'" "$usage" ;;
esac

KARGS=()	# what make takes beside the compiler
# What KCOV, in the profile that has it, traces for the fuzzer: objects of these
# names, in any directory
for object in msi-iommu msi-iommu-desc msi-iommu-frame msi-iommu-window msi-iommu-debugfs iommu msi device hw_pagetable \
	io_pagetable ioas vfio_iommu_type1 irq-gic-v3-its; do
	KARGS+=("KCOV_INSTRUMENT_$object.o=y")
done
if [ "$profile" = coverage ]; then
	# What counts is named here alone; other directories have a msi.o, too
	# shellcheck disable=SC2016
	KARGS+=(GCOV_PROFILE_msi-iommu.o=y GCOV_PROFILE_msi-iommu-desc.o=y
		GCOV_PROFILE_msi-iommu-frame.o=y GCOV_PROFILE_msi-iommu-window.o=y
		GCOV_PROFILE_msi-iommu-debugfs.o=y
		'GCOV_PROFILE_msi.o=$(filter drivers/iommu/iommufd,$(obj))')
fi
export KBUILD_BUILD_USER=msi KBUILD_BUILD_HOST=iommu

# --- configuration ---------------------------------------------------------

# What `make menuconfig` chose comes last.
if [ -f "$BUILD/msi.config" ] && [ "${MSI_MENUCONFIG:-}" != ignore ]; then
	fragments+=("$BUILD/msi.config")
fi

configure() {
	kconfigure arm64 "$tree" "$out" "${fragments[@]}"
	in_effect "$out" "$([ "$unpatched" = 0 ] || echo '^CONFIG_IOMMU_MSI')"
}

checkout_pristine() {
	logged "$LOGDIR/worktree.log" "checking out the unpatched tree" kernel_worktree "$tree"
	ln -sfn pristine/linux "$KBASE"
	ln -sfn "pristine/$profile" "$KBUILD/$profile"
}

# What races in the base is not the series' business: KCSAN watches what the
# files touched by it access, and hears of the barriers in locks.
kcsan_arguments() {
	local file
	KARGS+=(KCSAN_SANITIZE=n)
	for file in $(kgit diff --name-only --diff-filter=d base HEAD -- '*.c'); do
		file=${file##*/}
		KARGS+=("KCSAN_SANITIZE_${file%.c}.o=y")
	done
	for file in mutex rwsem spinlock spinlock_debug; do
		KARGS+=("KCSAN_INSTRUMENT_BARRIERS_$file.o=y")
	done
}

# --- build -------------------------------------------------------------------

# progress <expected steps, 0 if unknown> <steps done before>: reads make's
# output; one line that changes on a terminal, else a line every 15 seconds.
progress() {
	local expected=$1 n=$2 line shown=$SECONDS text
	while IFS= read -r line; do
		case $line in
		'  '[A-Z]*) ;;
		*) continue ;;
		esac
		n=$((n + 1))
		if [ "$expected" -gt 0 ]; then
			text="kernel $profile: $n of about $expected steps ($((n < expected ? n * 100 / expected : 99)) %), ${SECONDS} s"
		else
			text="kernel $profile: $n steps, ${SECONDS} s"
		fi
		if [ -t 1 ]; then
			printf '\r\033[K%s%s' "${MSI_STEP:+[$MSI_STEP] }" "$text"
		elif [ $((SECONDS - shown)) -ge 15 ]; then
			msg "$text"
			shown=$SECONDS
		fi
	done
	if [ -t 1 ]; then printf '\r\033[K'; fi
	echo "$n" >"$out/.steps.now"
}

compile() {
	local expected=0 before=0 fresh='' targets=(Image)
	if grep -q '^CONFIG_MODULES=y' "$out/.config"; then
		targets+=(modules)
	fi
	if [ ! -f "$out/arch/arm64/boot/Image" ]; then
		fresh=1
		expected=$(cat "$out/.steps" "$KBUILD/base/.steps" 2>/dev/null | head -n 1 || true)
		expected=${expected:-1500}
		before=$(find "$out" -name '*.o' | wc -l)
	fi
	msg "kernel $profile: building with $(nproc) processors"
	if ! kmake arm64 "$tree" "$out" "${KARGS[@]}" "${targets[@]}" 2>&1 </dev/null | tee "$log" |
		progress "$expected" "$before"; then
		{ grep -E 'error|Error|\*\*\*|undefined reference' "$log" | head -n 10 || true; } |
			sed 's/^/  | /' >&2
		die "building kernel $profile failed" "see the lines above" "$log"
	fi
	if [ -n "$fresh" ]; then
		mv "$out/.steps.now" "$out/.steps"
	fi
}

# What a build depends on, as one line. A tree with changes has no name: it is
# given to make, which knows.
identity() {
	{
		cat "${fragments[@]}"
		KGIT_TREE=$tree kgit rev-parse HEAD
		aarch64-linux-gnu-gcc -dumpfullversion
		sha256sum <"$ROOT/scripts/build.sh"
		sha256sum <"$ROOT/scripts/kbuild.sh"
	} | sha256sum | cut -d' ' -f1
}

"$ROOT/scripts/apply.sh"
in_lock "$KBUILD/.$profile.lock"
if [ "$unpatched" = 1 ]; then
	checkout_pristine
fi
dirty=$(KGIT_TREE=$tree kgit status --porcelain | sed -n 1p)
identity=$(identity)
if [ -z "$dirty" ] && [ "$identity" = "$(cat "$out/.built" 2>/dev/null || true)" ] &&
	[ -f "$out/arch/arm64/boot/Image" ]; then
	msg "kernel $profile: up to date"
	exit 0
fi
mkdir -p "$out" "$LOGDIR"
if [ "$profile" = kcsan ]; then
	kcsan_arguments
fi
if [ ! -f "$out/arch/arm64/boot/Image" ]; then
	need_disk "$([ "$profile" = debug ] && echo 3 || echo 2)" "$out" "kernel $profile"
fi
rm -f "$out/.built"
# The same configuration: most of it is there, if `base` is up to date
if [ "$unpatched" = 1 ] && [ ! -e "$out/.config" ] &&
	[ "$(tree=$KTREE identity)" = "$(cat "$KBUILD/base/.built" 2>/dev/null || true)" ]; then
	adopt "$KBUILD/base" "$KTREE" "$out" "$tree"
fi
configure
compile
if [ -z "$dirty" ]; then
	echo "$identity" >"$out/.built"
fi
msg "kernel $profile: ${out#"$ROOT"/}/arch/arm64/boot/Image after $SECONDS s"
