#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [JOBS=n] check.sh [--list] [group | group/name ...]
#
# Runs every check, or those named, JOBS of them at once (as many as there are
# processors, at most 4). A line for each when it has ended, a table at the end,
# last line `N passed, M failed`; status 0 only when none failed. A check that
# cannot run has failed.
#
# A group of checks is a file scripts/checks/NN-<group>.sh; NN is the order.
# It is sourced, with lib.sh already there, and only defines functions and
# registers them:
#
#	check <name> <function> [<time limit in seconds, default 600>]
#	one_by_one	the checks of this group share files: never two at once
#	after <group>	they start when all checks of that group have ended
#
# The function runs in a shell of its own (set -euo pipefail), in the root of
# the repository, after the series was applied. It gets
#
#	$CHECK_DIR	a directory of its own, empty, kept after the run
#	$CHECK_LOG	the file that takes all it prints
#
# and passes when it ends with status 0. When it fails, its reason in the
# summary is the last `error: ...` line that it printed (as die does), or else
# its last line.
#
# Test cases: each file $CHECK_DIR/*.ktap is read as (K)TAP, as a console log
# that holds KTAP among other lines if need be, and each case in it is counted
# by its own name; one that is skipped, missing from its plan or cut off has
# failed. A function which runs tests therefore copies the console log there
# (`cp "$log" "$CHECK_DIR/smmuv3.ktap"`); it need not look into it. A .ktap
# file without any case is a failure.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A person's make menuconfig has no say in what is checked.
export MSI_MENUCONFIG=ignore
OUT=$BUILD/check
CHECKS=()	# <group>/<name> <function> <limit>
declare -A ALONE=() AFTER=()	# of groups

check() { CHECKS+=("$group/$1 $2 ${3:-600}"); }
one_by_one() { ALONE[$group]=1; }
after() { AFTER[$group]=$1; }

load_groups() {
	local file group
	for file in "$ROOT"/scripts/checks/[0-9][0-9]-*.sh; do
		group=$(basename "$file" .sh)
		group=${group#[0-9][0-9]-}
		# shellcheck source=/dev/null
		. "$file"
	done
}

# wanted <group>/<name> <selection...>
wanted() {
	local id=$1 selected
	shift
	[ $# -gt 0 ] || return 0
	for selected; do
		case $id in
		"$selected" | "$selected"/*) return 0 ;;
		esac
	done
	return 1
}

# The process that runs one check's function; a new one, so that a time limit
# and an end of all its children are possible.
run_function() {
	load_groups
	cd "$ROOT"
	"$1"
}

reason() {
	local text
	text=$(grep -a 'error: ' "$1" | tail -n 1 | sed 's/.*error: //' || true)
	if [ -z "$text" ]; then
		text=$(grep -av '^[[:space:]]*$' "$1" | tail -n 1 || true)
	fi
	printf '%.110s' "${text:-no output}"
}

result() {	# <ok|not ok> <id> <seconds or empty> [<why> <log>]
	local line
	number=$((number + 1))
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
		line="ok $number $2${3:+ ($3 s)}"
	else
		failed=$((failed + 1))
		line="not ok $number $2${3:+ ($3 s)}: $4, log: ${5#"$ROOT"/}"
		failures+=("$line")
	fi
	printf '%s\n' "$line"
}

# cases <id>: one result for each test case of the check's KTAP files
cases() {
	local id=$1 file verdict name
	for file in "$CHECK_DIR"/*.ktap; do
		[ -e "$file" ] || continue
		while IFS=$'\t' read -r verdict name; do
			case $verdict in
			pass) result ok "$id: $name" "" ;;
			*) result "not ok" "$id: $name" "" "$verdict" "$file" ;;
			esac
		done < <("$ROOT/scripts/ktap.py" "$KTREE" "$file" ||
			printf 'unreadable\t%s\n' "$(basename "$file")")
	done
}

declare -A RUNNING=() STARTED=()	# check by process, time by check

start_check() {	# <id> <function> <limit>
	local id=$1
	export CHECK_DIR=$OUT/$id CHECK_LOG=$OUT/$id.log
	rm -rf "$CHECK_DIR"
	mkdir -p "$CHECK_DIR"
	timeout -k 10 "$3" "$0" --function "$2" >"$CHECK_LOG" 2>&1 </dev/null 9>&- &
	RUNNING[$!]="$id $3"
	STARTED[$id]=$SECONDS
}

end_check() {	# <id> <limit> <status>
	local id=$1 limit=$2 status=$3 took why before=$failed ran=$number
	took=$((SECONDS - STARTED[$id]))
	CHECK_DIR=$OUT/$id CHECK_LOG=$OUT/$id.log
	cases "$id"
	case $status in
	0) result ok "$id" "$took" ;;
	124 | 137) result "not ok" "$id" "$took" "no end after $limit s" "$CHECK_LOG" ;;
	*)
		why=$(reason "$CHECK_LOG")
		result "not ok" "$id" "$took" "$why" "$CHECK_LOG"
		;;
	esac
	rows[$id]="$id $((number - ran - (failed - before))) $((failed - before)) $took"
}

# in_group <group> <id...>: whether one of these checks is in that group
in_group() {
	local group=$1 id
	shift
	for id; do
		if [ "${id%%/*}" = "$group" ]; then
			return 0
		fi
	done
	return 1
}

# may_start <id>: with regard to what runs and waits
may_start() {
	local group=${1%%/*} first
	first=${AFTER[$group]:-}
	if [ -n "${ALONE[$group]:-}" ] && in_group "$group" "${RUNNING[@]}"; then
		return 1
	fi
	[ -z "$first" ] || ! in_group "$first" "${RUNNING[@]}" "${waiting[@]}"
}

# Starts the first check that may; status 1 when there is none.
start_one() {
	local i
	for i in "${!waiting[@]}"; do
		if may_start "${waiting[i]}"; then
			# shellcheck disable=SC2086
			start_check ${waiting[i]}
			unset "waiting[i]"
			return
		fi
	done
	return 1
}

end_one() {
	local pid='' status=0 check
	wait -n -p pid "${!RUNNING[@]}" || status=$?
	check=${RUNNING[$pid]}
	unset "RUNNING[$pid]"
	# shellcheck disable=SC2086
	end_check $check "$status"
}

run_checks() {
	waiting=("${selected[@]}")
	while [ ${#waiting[@]} -gt 0 ] || [ ${#RUNNING[@]} -gt 0 ]; do
		if [ ${#RUNNING[@]} -ge "$JOBS" ] || ! start_one; then
			end_one
		fi
	done
}

# What every check stands on. The series checked is the one in patches/.
prepare() {
	"$ROOT/scripts/deps.sh" check
	if [ ! -e "$KTREE" ] && [ ${#selected[@]} -eq ${#CHECKS[@]} ]; then
		need_disk 12 "$BUILD" "all checks"
	fi
	"$ROOT/scripts/apply.sh"
	if [ "$(kgit rev-parse HEAD)" != "$(kgit rev-parse refs/sync)" ] ||
		[ -n "$(kgit status --porcelain | head -n 1)" ]; then
		die "the build tree is not what patches/$VERSION says" "make refresh first"
	fi
}

summary() {
	local entry
	if [ ${#failures[@]} -gt 0 ]; then
		printf '\nfailed:\n'
		printf '  %s\n' "${failures[@]}"
	fi
	printf '\n%-32s %7s %7s %7s\n' check passed failed seconds
	for entry in prepare "${selected[@]}"; do
		# shellcheck disable=SC2086
		test -z "${rows[${entry%% *}]:-}" || printf '%-32s %7s %7s %7s\n' ${rows[${entry%% *}]}
	done
	printf '\nafter %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
	printf '%d passed, %d failed\n' "$passed" "$failed"
}

list=
case ${1:-} in
--function)
	run_function "$2"
	exit
	;;
--list)
	list=1
	shift
	;;
-*) die "check.sh: unknown argument '$1'" "usage: [JOBS=n] check.sh [--list] [group | group/name ...]" ;;
esac

load_groups
selected=()
for entry in "${CHECKS[@]}"; do
	if wanted "${entry%% *}" "$@"; then
		selected+=("$entry")
	fi
done
if [ -n "$list" ]; then
	printf '%s\n' "${selected[@]}" | cut -d' ' -f1
	exit
fi
if [ ${#selected[@]} -eq 0 ]; then
	die "no check is named '$*'" "make check CHECK=... takes names of: scripts/check.sh --list"
fi

number=0 passed=0 failed=0 failures=()
declare -A rows=()
if [ -z "${JOBS:-}" ]; then
	JOBS=$(nproc)
	JOBS=$((JOBS < 4 ? JOBS : 4))
fi
case $JOBS in
*[!0-9]* | '' | 0) die "JOBS is '$JOBS', not a number of checks to run at once" "make check JOBS=1, for one after the other" ;;
esac
mkdir -p "$OUT"
in_lock "$BUILD/.check.lock"
trap 'test ${#RUNNING[@]} -eq 0 || kill "${!RUNNING[@]}" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
printf '%d checks, %d at once; logs in build/check/\n' ${#selected[@]} "$JOBS"
attempt prepare >"$OUT/prepare.log" 2>&1
if [ "$status" -ne 0 ]; then
	result "not ok" prepare "$SECONDS" "$(reason "$OUT/prepare.log")" "$OUT/prepare.log"
	sed 's/^/  | /' "$OUT/prepare.log" | tail -n 10
	rows[prepare]="prepare 0 1 $SECONDS"
	summary
	exit 1
fi
rows[prepare]="prepare 0 0 $SECONDS"
run_checks
summary
[ "$failed" -eq 0 ]
