# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What root.sh, boot.sh and demo.sh share. Source it after lib.sh.

ROOTS=$BUILD/root	# made by root.sh

# archive <directory> <cpio>: an initramfs, the same bytes each time. Several
# of them one after the other are one initramfs, later files winning.
archive() {
	(cd "$1" && find . -mindepth 1 | sort |
		cpio --quiet -o -H newc --reproducible -R 0:0) >"$2"
}
