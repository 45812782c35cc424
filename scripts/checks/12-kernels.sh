# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The kernels that later checks boot, each built once, so that the time limit
# of a check that boots one is the machine's alone.

one_by_one
check base kernels_base 1800
check vanilla kernels_vanilla 1800
check debug kernels_debug 1800
check 64k kernels_64k 1800

kernels_base() { scripts/build.sh base; }
kernels_vanilla() { scripts/build.sh vanilla; }
kernels_debug() { scripts/build.sh debug; }
kernels_64k() { scripts/build.sh 64k; }
