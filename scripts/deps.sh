#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: deps.sh build|demo|deb|lsmsi|bench|clients|l3fwd|check ...
#
# Installs the Debian packages that the named purposes need. When all are
# there it returns at once and touches neither apt nor the network.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages_build=(
	bc bison build-essential ca-certificates ccache cpio flex
	gcc-aarch64-linux-gnu git libc6-dev-arm64-cross libelf-dev
	libncurses-dev libssl-dev "linux-source-$VERSION" make perl-base python3
	rsync xz-utils
)
packages_demo=(busybox-static device-tree-compiler mmdebstrap qemu-system-arm qemu-utils)
packages_deb=(debhelper dosfstools dpkg-dev e2fsprogs fdisk kmod qemu-efi-aarch64)
packages_lsmsi=(gcc libc6-dev make)
packages_bench=(gnuplot-nox)
packages_clients=(meson ninja-build patch pkgconf python3-venv)
packages_l3fwd=(pkgconf)
packages_check=(
	clang gcc-arm-linux-gnueabihf groff-base libc6-dev-armhf-cross lld llvm python3-git
	python3-ply qemu-efi-aarch64 shellcheck sparse
)

check_distribution() {
	local name
	name=$(os_field PRETTY_NAME)
	case "$(os_field ID):$(os_field VERSION_CODENAME)" in
	debian:bookworm | debian:trixie) ;;
	*)
		die "this is neither Debian 12 (bookworm) nor 13 (trixie) but: ${name:-unknown}" \
			"the kernel source and the tools are Debian's packages: use a root of it, as 'mmdebstrap trixie root && chroot root' gives one, or a container of debian:trixie; for apply, kernel, series and refresh a kernel clone is enough: BASE_TREE=path BASE=v6.12.117"
		;;
	esac
	if ! have apt-get || ! have dpkg-query; then
		die "apt-get or dpkg-query is missing" "use a complete $name"
	fi
}

# With a kernel tree of one's own, its source package is not needed; on another
# distribution nothing can be installed here, and what is missing is said by what
# needs it.
own_tree() {
	local i tool missing=()
	if (check_distribution) 2>/dev/null; then
		for i in "${!wanted[@]}"; do
			[ "${wanted[i]}" != "linux-source-$VERSION" ] || unset "wanted[i]"
		done
		return
	fi
	for tool in git make gcc aarch64-linux-gnu-gcc bc bison flex ccache; do
		have "$tool" || missing+=("$tool")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		die "not found: ${missing[*]}" "on a system other than Debian 12 and 13, packages are yours to install"
	fi
	exit 0
}

# missing_packages <package...>: those that are not installed, one a line
missing_packages() {
	local installed
	installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^ii *//p') || true
	comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

apt() {
	as_root "installing packages" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o Acquire::Retries=2 -o DPkg::Lock::Timeout=300 "$@"
}

# apt-get update ends in success when every source failed; an error is a
# source that could not be read. It may be one that is not needed here.
updated=1
update_lists() {
	local log=$1
	if ! apt -o APT::Update::Error-Mode=any update >"$log" 2>&1 </dev/null; then
		updated=
		{ grep '^E: ' "$log" || true; } | head -n 5 | sed 's/^/  | /' >&2
		warn "not every package list could be read (no network?); trying with what is there"
	fi
}

check_available() {
	local package unknown=()
	for package in "$@"; do
		if ! apt-cache show "$package" >/dev/null 2>&1; then
			unknown+=("$package")
		fi
	done
	if [ ${#unknown[@]} -gt 0 ] && [ -z "$updated" ]; then
		die "cannot read the package lists, and apt does not know: ${unknown[*]}" \
			"no network, or a broken entry in apt's sources: see 'apt-get update'" \
			"$LOGDIR/packages.log"
	elif [ ${#unknown[@]} -gt 0 ]; then
		die "packages that apt does not know: ${unknown[*]}" \
			"enable $(os_field VERSION_CODENAME), with -updates and -security, in apt's sources"
	fi
}

install() {
	local log=$LOGDIR/packages.log
	mkdir -p "$LOGDIR"
	need_disk 3 "${APT_DISK:-/var/cache/apt}" "packages"
	msg "installing $# packages: $*"
	as_root "installing packages" true
	# What was killed in the midst of an installation
	as_root "installing packages" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >"$log" 2>&1 </dev/null || true
	update_lists "$log"
	check_available "$@"
	if ! apt install --no-install-recommends "$@" >>"$log" 2>&1 </dev/null; then
		tail -n 8 "$log" | sed 's/^/  | /' >&2
		die "cannot install packages" "no network, or no free disk? the last lines are above" "$log"
	fi
}

# In make check they were looked for once
if [ -n "${MSI_PACKAGES_THERE:-}" ]; then
	exit 0
fi
wanted=()
for purpose; do
	case $purpose in
	build) wanted+=("${packages_build[@]}") ;;
	demo) wanted+=("${packages_demo[@]}") ;;
	deb) wanted+=("${packages_deb[@]}") ;;
	lsmsi) wanted+=("${packages_lsmsi[@]}") ;;
	bench) wanted+=("${packages_bench[@]}") ;;
	clients) wanted+=("${packages_clients[@]}") ;;
	l3fwd) wanted+=("${packages_l3fwd[@]}") ;;
	check) wanted+=("${packages_build[@]}" "${packages_demo[@]}" "${packages_check[@]}") ;;
	*) die "deps.sh: unknown purpose '$purpose'" "usage: deps.sh build|demo|deb|lsmsi|bench|clients|check ..." ;;
	esac
done
if [ ${#wanted[@]} -eq 0 ]; then
	die "deps.sh: no purpose" "usage: deps.sh build|demo|deb|lsmsi|bench|clients|check ..."
fi
if [ -n "${BASE_TREE:-}" ]; then
	own_tree
else
	check_distribution
fi
mapfile -t missing < <(missing_packages "${wanted[@]}")
if [ ${#missing[@]} -gt 0 ]; then
	install "${missing[@]}"
fi
