# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What other checks stand on, each made once.

check packages prepare_packages 1200
check tree prepare_tree 900 prepare/packages
check root prepare_root 900 prepare/packages
check programs prepare_programs 300 prepare/tree

prepare_packages() { env -u MSI_PACKAGES_THERE scripts/deps.sh check; }

# The series checked is the one in patches/.
prepare_tree() {
	if [ ! -e "$KTREE" ]; then
		need_disk 12 "$BUILD" "all checks"
	fi
	scripts/apply.sh
	if [ "$(kgit rev-parse HEAD)" != "$(kgit rev-parse refs/sync)" ] ||
		[ -n "$(kgit status --porcelain | sed -n 1p)" ]; then
		die "the build tree is not what patches/$VERSION says" "make refresh first"
	fi
}

prepare_root() { scripts/root.sh; }
prepare_programs() { scripts/programs.sh; }
