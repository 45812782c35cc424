# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The kernels that later checks boot, each built once, with the modules that the
# tests load.

one_by_one
check base kernels_base 1800 prepare/tree
alone base
check vanilla kernels_vanilla 1800 kernels/base
check debug kernels_debug 1800 prepare/tree
check 64k kernels_64k 1800 prepare/tree
check server kernels_server 1800 kernels/base
when_asked server

kernel() {
	scripts/build.sh "$1"
	scripts/programs.sh modules "$1"
}
kernels_base() { kernel base; }
kernels_vanilla() { kernel vanilla; }
kernels_debug() { kernel debug; }
kernels_64k() { kernel 64k; }
kernels_server() { kernel server; }
