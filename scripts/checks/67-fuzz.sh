# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The fuzzer, for as long as it takes for each kind of call to succeed.

fuzz_short() { scripts/fuzz.sh 30000 1; }

after kernels
check short fuzz_short 1800
