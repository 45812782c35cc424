#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: menuconfig.sh [--check]
#
# Edits the options of the root Kconfig with the kernel's own mconf and keeps
# those that a person can choose in build/msi.config. --check only parses.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools=$KBUILD/kconfig
export KCONFIG_CONFIG=$tools/msi.config srctree=$ROOT CONFIG_=CONFIG_

# The options with a prompt: those of the files that the root Kconfig sources.
chosen() {
	local options
	options=$(sed -n 's/^source "\(.*\)"$/\1/p' "$ROOT/Kconfig" | sed "s|^|$ROOT/|" |
		xargs sed -n 's/^\(menu\)\?config \([A-Z0-9_]*\)$/\2/p' | paste -sd'|')
	grep -E "^(# )?CONFIG_($options)[ =]" "$KCONFIG_CONFIG" || true
}

build_tool() {
	if [ ! -x "$tools/scripts/kconfig/$1" ]; then
		logged "$LOGDIR/menuconfig.log" "building the kernel's $1" \
			make -C "$KTREE" "O=$tools" "$2"
	fi
}

if [ ! -f "$ROOT"/drivers/iommu/Kconfig.msi ]; then
	die "drivers/iommu/Kconfig.msi is not here" "the series is incomplete: git status"
fi
"$ROOT/scripts/fetch.sh"
# kconfig leaves files below its working directory.
mkdir -p "$tools/run"
cd "$tools/run"
if [ "${1:-}" = --check ]; then
	build_tool conf allnoconfig
	KCONFIG_CONFIG=$tools/check.config KCONFIG_WERROR=1 \
		"$tools/scripts/kconfig/conf" --alldefconfig Kconfig
	KCONFIG_CONFIG=$tools/check.config chosen
	exit 0
fi
build_tool mconf build_menuconfig
if [ -f "$BUILD/msi.config" ]; then
	cp "$BUILD/msi.config" "$KCONFIG_CONFIG"
fi
if ! [ -t 0 ] || ! [ -t 1 ]; then
	die "make menuconfig needs a terminal"
fi
"$tools/scripts/kconfig/mconf" Kconfig
if [ -f "$KCONFIG_CONFIG" ]; then
	chosen >"$BUILD/msi.config"
	msg "build/msi.config, used by the next make kernel:"
	cat "$BUILD/msi.config"
fi
