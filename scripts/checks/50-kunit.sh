# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The KUnit suites of the series, run by a kernel that boots. A suite that is
# built in and does not run leaves its part of the report out, which fails.

# The boots of the other kernels run them, too: see 60-boots.sh.

. "$ROOT/scripts/selftests.sh"

kunit_base() {
	local log=$CHECK_DIR/machine.log status=0
	scripts/boot.sh --profile base --append "$KUNIT" --run true --log "$log" --timeout 180 || status=$?
	cp "$log" "$CHECK_DIR/base.ktap"
	[ "$status" -ne 0 ] || suites_ran "$log"
	return "$status"
}

check base kunit_base 240 kernels/base prepare/root
