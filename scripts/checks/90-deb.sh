# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The packages, in a Debian that boots as distributions do. No part of make check:
# `make check CHECK=deb` does it.

deb_boot() { scripts/deb-boot.sh "$CHECK_DIR"; }

check boot deb_boot 3600 prepare/tree prepare/programs
when_asked boot
