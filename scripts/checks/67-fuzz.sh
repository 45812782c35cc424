# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The fuzzer, for as long as it takes for each kind of call to succeed.

fuzz_short() { MSI_OUT=$CHECK_DIR/out scripts/fuzz.sh 30000 1; }

check short fuzz_short 900 kernels/debug prepare/root prepare/programs
