# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Everything at once, for a minute; make stress does it for longer.

short_stress() { MSI_OUT=$CHECK_DIR/out scripts/stress.sh 60 1; }

check short short_stress 900 kernels/debug prepare/root prepare/programs
