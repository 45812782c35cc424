# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What a newcomer does, in a root of each release of Debian with nothing in it.
# None of this is part of make check: `make check CHECK=fresh` does what needs no
# kernel to be built, CHECK=fresh/trixie-demo and so on the rest.

FRESH_COMMANDS='make help; make lsmsi; make series; scripts/deps.sh build demo bench check
	scripts/root.sh; scripts/programs.sh; scripts/menuconfig.sh --check'

fresh_bookworm() { scripts/fresh.sh bookworm "$FRESH_COMMANDS"; }
fresh_trixie()   { scripts/fresh.sh trixie "$FRESH_COMMANDS"; }
fresh_bookworm_demo() { scripts/fresh.sh bookworm 'make demo'; }
fresh_trixie_demo()   { scripts/fresh.sh trixie 'make demo'; }
fresh_bookworm_check() { scripts/fresh.sh bookworm 'make check'; }
fresh_trixie_check()   { scripts/fresh.sh trixie 'make check'; }

check bookworm fresh_bookworm 1800 prepare/packages
check trixie fresh_trixie 1800 prepare/packages
check bookworm-demo fresh_bookworm_demo 3600 prepare/packages
check trixie-demo fresh_trixie_demo 3600 prepare/packages
check bookworm-check fresh_bookworm_check 14400 prepare/packages
check trixie-check fresh_trixie_check 14400 prepare/packages
when_asked bookworm trixie
by_name bookworm-demo trixie-demo bookworm-check trixie-check
