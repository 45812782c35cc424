# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What every script here shares: names of places, messages, steps, privileges.
# Source it first:   . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A failure inside $(...) is a failure, too.
shopt -s inherit_errexit

# A caller's git environment (a hook, `git rebase --exec`) must not leak in.
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE GIT_OBJECT_DIRECTORY GIT_PREFIX
# Nor may what make was called with: make check CHECK=... is no kernel's CHECK=.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL CHECK
export LC_ALL=C.UTF-8

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VERSION=6.12
BUILD=$ROOT/build
# object directories: $KBUILD/<profile>; those of a kernel of one's own beside them
base_name=${BASE:-base}
KBUILD=${MSI_KBUILD:-$BUILD/$VERSION${BASE_TREE:+-${base_name//\//-}}}
KTREE=$KBUILD/linux             # git tree; tag `base`, branch `msi-iommu`
KBASE=$KBUILD/linux-base        # the unpatched tree, see pristine/ in build.sh
PATCHES=$ROOT/patches/$VERSION
LOGDIR=${MSI_LOGDIR:-$BUILD/log}
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/msi-iommu	# what clones share
# ccache hits in any clone below the same directory names. It takes the compiler's
# word for what an object depends on, and saves the preprocessor: a quarter of a
# compilation.
export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR="$ROOT" CCACHE_DEPEND=1

# --- messages ------------------------------------------------------------

# Two columns for every line that a person reads; MSI_STEP is the prefix that
# a parent script hands down, so that nested output says where it is.
msg()  { printf '%s%s\n' "${MSI_STEP:+[$MSI_STEP] }" "$*"; }
warn() { printf '%swarning: %s\n' "${MSI_STEP:+[$MSI_STEP] }" "$*" >&2; }

# die <what failed> [<why, or what to do>] [<log file>]: ends with die_status, 1 if
# nobody set it; 124 is for what took too long
die() {
	{
		printf '%serror: %s\n' "${MSI_STEP:+[$MSI_STEP] }" "$1"
		if [ -n "${2:-}" ]; then
			printf '  %s\n' "$2"
		fi
		if [ -n "${3:-}" ]; then
			printf '  full log: %s\n' "$3"
		fi
	} >&2
	exit "${die_status:-1}"
}

# steps <n>: this run has n steps.   step <text>: the next one begins.
# A script that another one runs as a step has no steps of its own: its
# messages carry the parent's prefix.
steps() { STEPS=$1 STEP=0; }
step() {
	STEP=$((STEP + 1))
	MSI_STEP="$STEP/$STEPS"
	export MSI_STEP
	printf '%sstep %d of %d: %s%s\n' "$(bold)" "$STEP" "$STEPS" "$*" "$(plain)"
}
bold()  { if [ -t 1 ]; then printf '\033[1m'; fi; }
plain() { if [ -t 1 ]; then printf '\033[0m'; fi; }

# attempt <command...>: sets `status`; a function ends at its first failure,
# which `if`, `!` or `||` around it would keep it from doing.
attempt() {
	set +e
	(
		set -e
		"$@"
	)
	status=$?
	set -e
}

# logged <log> <what> <command...>: all output to the log; on failure its last
# lines, what failed and where the rest is.
logged() {
	local log=$1 what=$2 status
	shift 2
	mkdir -p "$(dirname "$log")"
	attempt "$@" >"$log" 2>&1 </dev/null
	if [ "$status" -ne 0 ]; then
		tail -n 15 "$log" | sed 's/^/  | /' >&2
		die "$what failed" "the last lines are above" "$log"
	fi
}

# --- machine ---------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

OS_RELEASE=${OS_RELEASE:-/etc/os-release}
os_field() { sed -n "s/^$1=\"\?\([^\"]*\)\"\?$/\1/p" "$OS_RELEASE" 2>/dev/null || true; }

# as_root <why> <command...>
as_root() {
	local why=$1
	shift
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo -- "$@"
	else
		die "$why needs root" "you are not root and there is no sudo: run as root, or install sudo"
	fi
}

# need_disk <GiB> <directory> <what for>
need_disk() {
	local dir=$2 free
	mkdir -p "$dir" || die "cannot create $dir"
	free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
	if [ "$free" -lt $(($1 * 1024 * 1024)) ]; then
		die "not enough free disk for $3" \
			"$1 GiB needed in $dir, $((free / 1024 / 1024)) GiB free: free some space or move the clone"
	fi
}

# --- pace ------------------------------------------------------------------

# How many times slower this machine is just now than one that is free: a whole
# number, 1 at least. Every time limit is multiplied by it. Whoever sets PACE
# knows better than the measurement.
PACE_GIVEN=${PACE:-}
PACE=${PACE:-1}
PACE_UNIT=300	# milliseconds that the piece of work takes on a free machine
PACE_MOST=60	# no more than that is measured

case $PACE in
*[!0-9]* | 0*) die "PACE is '$PACE', not how many times slower this machine is" "a whole number, 1 at least: PACE=8" ;;
esac

# Processes and arithmetic, as a build has them, and nothing to be installed
piece_of_work() {
	local i n end=$((SECONDS + PACE_UNIT * PACE_MOST / 1000))
	for ((i = 0; i < 20 && SECONDS < end; i++)); do
		for n in 1 2 3 4 5 6; do
			/bin/true
		done
		for ((n = 0; n < 6000; n++)); do :; done
	done
	# What was not done in time took as long as it would have
	[ "$i" -eq 20 ] || PACE=$PACE_MOST
}

measure_pace() {
	local start=${EPOCHREALTIME/./}
	[ -z "$PACE_GIVEN" ] || return 0
	PACE=
	piece_of_work
	PACE=${PACE:-$((((${EPOCHREALTIME/./} - start) / 1000 + PACE_UNIT / 2) / PACE_UNIT))}
	PACE=$((PACE < 1 ? 1 : PACE))
}

# paced <seconds>: at this pace
paced() { echo $(($1 * PACE)); }

# --- the kernel tree ----------------------------------------------------------

# The versions of the base whose checks have passed
verified() { paste -sd' ' "$PATCHES/verified" 2>/dev/null | grep . || echo none; }

# git on a derived tree, deaf to the user's configuration (hooks, signing,
# line endings, whitespace rules), so that results are the same everywhere.
kgit() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		git -c safe.directory='*' -c core.hooksPath=/dev/null -c gc.auto=0 \
		-c advice.detachedHead=false -C "${KGIT_TREE:-$KTREE}" "$@"
}
# the same on the project's own repository
pgit() { git -c safe.directory='*' -C "$ROOT" "$@"; }

# worktree <directory> [<options of git worktree add>]: a new one, of the base.
# prune_worktrees: of those whose directory is gone; not while one is added.
worktree() {
	(
		flock 8
		kgit worktree prune
		rm -rf "$1"
		mkdir -p "$(dirname "$1")"
		kgit worktree add -q --force --force --detach "${@:2}" "$1" base
	) 8>"$KBUILD/.worktree.lock"
}
prune_worktrees() {
	(
		flock 8
		kgit worktree prune
	) 8>"$KBUILD/.worktree.lock"
}

# in_lock <file> [<seconds to wait at most>]: one process at a time from here on
# (descriptor 9 until exit).
in_lock() {
	mkdir -p "$(dirname "$1")"
	exec 9>"$1"
	if ! flock -n 9; then
		msg "waiting for another run to release $1"
		flock ${2:+-w "$2"} 9
	fi
}

# --- ccache ---------------------------------------------------------------------

# ccache_start: from here on, what ccache finds is logged, of children, too.
# ccache_rates: that in one line. The cache's own counts are everybody's.
ccache_start() {
	export CCACHE_STATSLOG=${OUT:-$BUILD/run}.ccache
	: >"$CCACHE_STATSLOG"
}
ccache_rates() {
	sed '/^#/d' "$CCACHE_STATSLOG" | sort | uniq -c | awk '
		{ n[$2] = $1 }
		END {
			hits = n["direct_cache_hit"] + n["preprocessed_cache_hit"]
			all = hits + n["cache_miss"]
			if (all)
				printf "ccache had %d of %d compilations (%d %%), %d of them without the preprocessor\n",
					hits, all, hits * 100 / all, n["direct_cache_hit"]
		}'
}
