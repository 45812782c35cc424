# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The tools for people: lsmsi, natively and with sanitizers, on trees that look
# like /sys; and that it builds for arm64 and installs.

LSMSI=tools/iommu

# lsmsi_make <name> <make arguments...>: builds in $CHECK_DIR/<name>
lsmsi_make() {
	local name=$1
	shift
	env -u CPPFLAGS -u LDFLAGS -u CFLAGS -u CC \
		make -C "$LSMSI" WERROR=1 "O=$CHECK_DIR/$name" "$@"
}

# lsmsi_tests <name>: each case is counted; the status is theirs, too
lsmsi_tests() {
	local ktap=$CHECK_DIR/$1.ktap status=0
	"$LSMSI/test-lsmsi" "$CHECK_DIR/$1/lsmsi" >"$ktap" || status=$?
	cat "$ktap"
	return "$status"
}

tools_lsmsi() {
	lsmsi_make native
	lsmsi_tests native
}

tools_sanitized() {
	lsmsi_make sanitized \
		"CFLAGS=-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
	lsmsi_tests sanitized
}

tools_arm64() {
	local headers
	lsmsi_make arm64 CC=aarch64-linux-gnu-gcc LDFLAGS=-static
	headers=$(aarch64-linux-gnu-readelf -h -l "$CHECK_DIR/arm64/lsmsi")
	grep -q 'Machine: *AArch64' <<<"$headers" || die "lsmsi is not built for arm64"
	! grep -q INTERP <<<"$headers" || die "lsmsi is not static"
}

# installed <file> <mode>
installed() {
	local mode
	mode=$(stat -c %a "$CHECK_DIR/root/$1") || die "make install has not installed $1"
	[ "$mode" = "$2" ] || die "$1 was installed with mode $mode, not $2"
}

tools_install() {
	local left
	lsmsi_make object all
	lsmsi_make object install "DESTDIR=$CHECK_DIR/root" prefix=/usr
	installed usr/sbin/lsmsi 755
	installed usr/share/man/man8/lsmsi.8 644
	installed usr/share/bash-completion/completions/lsmsi 644
	"$CHECK_DIR/root/usr/sbin/lsmsi" --version
	lsmsi_make object clean
	left=$(find "$CHECK_DIR/object" -type f)
	[ -z "$left" ] || die "make clean leaves $left"
}

# completes <words before the last> <the last> <what it may become...>
completes() {
	local COMP_WORDS COMP_CWORD COMPREPLY=() before=$1 word=$2
	shift 2
	read -ra COMP_WORDS <<<"$before"
	COMP_WORDS+=("$word")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	LSMSI_SYS=$CHECK_DIR/sys _lsmsi
	[ "${COMPREPLY[*]}" = "$*" ] || die "'$before $word' becomes '${COMPREPLY[*]}', not '$*'"
}

tools_completion() {
	local groups=$CHECK_DIR/sys/kernel/iommu_groups
	mkdir -p "$groups"/{3/devices/0000:00:02.0,12/devices/{0000:00:03.0,0001:00:03.0}}
	# shellcheck source=/dev/null
	. "$LSMSI/lsmsi.bash"
	complete -p lsmsi
	completes lsmsi '' 12 3 0000:00:03.0 0001:00:03.0 0000:00:02.0
	completes lsmsi 0000:00 0000:00:03.0 0000:00:02.0
	completes 'lsmsi --json 3' 1 12
	completes lsmsi --w --watch --watch=
	completes lsmsi x
	lsmsi_make native
	# Every option that it has, and no other
	"$CHECK_DIR/native/lsmsi" --help | grep -o -E -- '--[a-z]+' | sort -u >"$CHECK_DIR/has"
	sed -n 's/.*words=(--/--/p' "$LSMSI/lsmsi.bash" | grep -o -E -- '--[a-z]+' | sort -u |
		diff "$CHECK_DIR/has" - || die "the options of lsmsi are not those that are completed"
}

# Unpacked on a machine that knows nothing else of this repository: with an NVMe disk
# alone, and beside QEMU's edu device; and refused where there is nothing to run on
tools_tests_tar() {
	local archive log=$CHECK_DIR/machine.log run='sh /iommu-msi-tests-*/run'
	rm -f "$BUILD"/iommu-msi-tests-*.tar.xz
	scripts/tests-tar.sh
	archive=$(ls "$BUILD"/iommu-msi-tests-*.tar.xz)
	mkdir "$CHECK_DIR/root"
	tar -C "$CHECK_DIR/root" -xf "$archive"
	scripts/boot.sh --profile base --add "$CHECK_DIR/root" --log "$log" --timeout 300 --run "
		$run --devices | grep -x '# 0000:00:03.0: NVME=0000:00:03.0 .*' || exit 10
		$run; [ \$? -eq 4 ] || exit 11
		NVME=0000:00:1f.0 $run; [ \$? -eq 4 ] || exit 12
		NVME=0000:00:03.0 VECTORS=8 $run && NVME=0000:00:03.0 EDU=0000:00:02.0 $run"
	# What was refused is no test
	sed '/^1\.\.0 # SKIP/d' "$log" >"$CHECK_DIR/machine.ktap"
}

check lsmsi tools_lsmsi 120 prepare/tree
check lsmsi-sanitized tools_sanitized 120 prepare/tree
check lsmsi-arm64 tools_arm64 120 prepare/packages
check lsmsi-install tools_install 120 prepare/packages
check lsmsi-completion tools_completion 120 prepare/packages
check tests-tar tools_tests_tar 300 kernels/base prepare/root prepare/programs
