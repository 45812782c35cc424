# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Everything at once, for a minute; make stress does it for longer.

short_stress() { scripts/stress.sh 60 1; }

after kernels
check short short_stress 1800
