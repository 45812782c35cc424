#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: [JOBS=n] [DEADLINE=seconds] [PACE=n] check.sh [--list] [group | group/name ...]
#
# Runs every check, or those named and what they need, JOBS of them at once (two
# more than there are processors, as a machine that is booted waits at times; at
# most 4). A line for each when it has ended, a
# table at the end, then `K skipped: names` and as the last line `N passed, M
# failed`; status 0 only when none failed. A check that cannot run has failed.
#
# With DEADLINE the run ends then: a check that would not end in time does not
# start, one that still runs is ended. Both are skipped, never passed; but one
# that made no progress for a minute has failed. See enough() for what a run
# must have done before status 0 means anything.
#
# A group of checks is a file scripts/checks/NN-<group>.sh. It is sourced, with
# lib.sh already there, and only defines functions and registers them:
#
#	check <name> <function> <limit> [<need>...]
#	one_by_one	the checks of this group share files: never two at once
#	alone <name>	nothing else runs beside that check
#	when_asked <name...>	not in a whole run
#	by_name <name...>	only if that name is given, not for its group's
#
# The limit is in seconds on the machine that scripts/checks/plan was made on;
# it is multiplied by PACE, see lib.sh. A need is another check, `group/name`:
# this one starts when it has passed, and is skipped if it did not. The file
# plan has all checks, the most worth a minute first, with the seconds that each
# takes: they start in this order.
#
# The function runs in a shell and a session of its own (set -euo pipefail), in
# the root of the repository. It gets
#
#	$CHECK_DIR	a directory of its own, empty, kept after the run
#	$CHECK_LOG	the file that takes all it prints
#	$LOGDIR		for the logs of what it calls, in that directory
#
# and passes when it ends with status 0. When it fails, its reason in the
# summary is the last `error: ...` line that it printed (as die does), or else
# its last line. Status 4, with a last line `skipped: <reason>`, is for a check
# that this machine cannot do.
#
# Status 124 says that something took too long. If the machine became slower
# meanwhile, the check is done once more, at the new pace.
#
# Test cases: each file $CHECK_DIR/*.ktap is read as (K)TAP, as a console log
# that holds KTAP among other lines if need be, and each case in it is counted
# by its own name; one that is skipped, missing from its plan or cut off has
# failed. A function which runs tests therefore copies the console log there
# (`cp "$log" "$CHECK_DIR/smmuv3.ktap"`); it need not look into it. A .ktap
# file without any case is a failure. The kernel's own parser reads it: such a
# check needs prepare/tree.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
SECONDS=0

# A person's make menuconfig has no say in what is checked. What needs packages
# starts when they are there.
export MSI_MENUCONFIG=ignore MSI_PACKAGES_THERE=1
OUT=${MSI_OUT:-$BUILD/check}
GROUPS_DIR=${MSI_CHECKS:-$ROOT/scripts/checks}	# the check of this script has others
PLAN=$GROUPS_DIR/plan
OWN_SECONDS=$CACHE/seconds	# this machine's own, at pace 1
# What must have passed before a run with a deadline says anything
REQUIRED=(series static kernels/base boots/smmuv3-its kunit/base)
# What the checks are about; see enough()
SUBJECT=(configs drivers include patches)
RECORD=$GROUPS_DIR/full-run
GRACE=5		# seconds between SIGTERM and SIGKILL
SAMPLE=5	# seconds between two looks at what runs
STALL=${MSI_STALL:-60}	# seconds without progress

# --- registration ----------------------------------------------------------

ids=()
declare -A function_of=() limit_of=() needs_of=() is_alone=() is_serial=() asked=()

check() {
	local id=$group/$1
	ids+=("$id")
	function_of[$id]=$2
	limit_of[$id]=${3:-600}
	needs_of[$id]="${*:4}"
}
one_by_one() { is_serial[$group]=1; }
alone() { is_alone[$group/$1]=1; }
when_asked() { for name; do asked[$group/$name]=group; done; }
by_name() { for name; do asked[$group/$name]=name; done; }

load_groups() {
	local file group
	for file in "$GROUPS_DIR"/[0-9][0-9]-*.sh; do
		group=$(basename "$file" .sh)
		group=${group#[0-9][0-9]-}
		# shellcheck source=/dev/null
		. "$file"
	done
}

# In the order of the plan; one that it does not have comes last
sort_by_plan() {
	local id ordered=()
	local -A seen=()
	for id in $(sed 's/#.*//; s/ .*//' "$PLAN") "${ids[@]}"; do
		if [ -n "${function_of[$id]:-}" ] && [ -z "${seen[$id]:-}" ]; then
			ordered+=("$id")
			seen[$id]=1
		fi
	done
	ids=("${ordered[@]}")
}

# in_list <id> <group or id...>
in_list() {
	local id=$1 entry
	shift
	for entry; do
		case $id in
		"$entry" | "$entry"/*) return 0 ;;
		esac
	done
	return 1
}

# with_needs <id...>: marks them, and what they need, in `chosen`
with_needs() {
	local id need
	for id; do
		[ -z "${chosen[$id]:-}" ] || continue
		chosen[$id]=1
		for need in ${needs_of[$id]}; do
			[ -n "${function_of[$need]:-}" ] || die "check $id needs $need, which is no check"
			with_needs "$need"
		done
	done
}

# select_checks <group or id...>: sets `selected`
select_checks() {
	local id entry wanted=()
	local -A chosen=()
	for entry; do
		for id in "${ids[@]}"; do
			! in_list "$id" "$entry" || continue 2
		done
		die "no check is named '$entry'" "make check CHECK=... takes names of: scripts/check.sh --list"
	done
	for id in "${ids[@]}"; do
		case ${asked[$id]:-},$# in
		,0) wanted+=("$id") ;;
		name,*) [[ " $* " != *" $id "* ]] || wanted+=("$id") ;;
		*) ! in_list "$id" "$@" || wanted+=("$id") ;;
		esac
	done
	with_needs "${wanted[@]}"
	selected=()
	for id in "${ids[@]}"; do
		[ -z "${chosen[$id]:-}" ] || selected+=("$id")
	done
}

# --- results -----------------------------------------------------------------

number=0 passed=0 failed=0
failures=() skips=() changed=1	# a state, since somebody looked what may start
declare -A state=() rows=() took_of=()	# by check; waiting, running, passed, failed, skipped
cpu_total=0	# seconds of a processor

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

# skip <id> <reason>
skip() {
	state[$1]=skipped changed=1
	skips+=("$1")
	rows[$1]="$1 - - skipped -"
	printf 'skipped %s: %s\n' "$1" "$2"
}

# cases <id>: one result for each test case of the check's KTAP files
cases() {
	local id=$1 dir=$OUT/$1 file verdict name
	for file in "$dir"/*.ktap; do
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

# judge <id> <status> <seconds> [<why>]
judge() {
	local id=$1 status=$2 took=$3 why=${4:-} log=$OUT/$1.log before=$failed ran=$number cpu
	cpu=$(cpu_seconds "$id")
	cpu_total=$((cpu_total + cpu))
	cases "$id"
	if [ "$status" -eq 0 ]; then
		result ok "$id" "$took"
	else
		result "not ok" "$id" "$took" "${why:-$(reason "$log")}" "$log"
	fi
	state[$id]=passed changed=1
	[ "$failed" -eq "$before" ] || state[$id]=failed
	took_of[$id]=$took
	rows[$id]="$id $((number - ran - (failed - before))) $((failed - before)) $took $cpu"
	[ "${state[$id]}" != passed ] || remember "$id" "$took" 2>&1
}

# --- how long a check takes ----------------------------------------------------

# in_seconds <file> <id>
in_seconds() { awk -v id="$2" '$1 == id { print $2; exit }' "$1" 2>/dev/null || true; }

# cpu_seconds <id>: of a processor, that the check and all it waited for took; 0
# if it was killed
cpu_seconds() {
	{ tr ms '  ' <"$OUT/$1/cpu" || true; } 2>/dev/null |
		awk '{ sum += $1 * 60 + $2 + $3 * 60 + $4 } END { printf "%.0f\n", sum }'
}

# expected <id>: at the machine's pace
expected() {
	local seconds
	seconds=$(in_seconds "$OWN_SECONDS" "$1")
	seconds=${seconds:-$(in_seconds "$PLAN" "$1")}
	echo $((${seconds:-60} * PACE))
}

# remember <id> <seconds>; without a cache nothing is remembered
remember() {
	mkdir -p "$CACHE" || return 0
	(
		flock 7
		{
			awk -v id="$1" '$1 != id' "$OWN_SECONDS" 2>/dev/null || true
			echo "$1 $(($2 / start_pace[$1] + 1))"
		} >"$OWN_SECONDS.tmp" && mv "$OWN_SECONDS.tmp" "$OWN_SECONDS"
	) 7>"$CACHE/.seconds.lock" || warn "cannot write $OWN_SECONDS"
}

# --- processes -------------------------------------------------------------------

declare -A pid_of=() started=() start_pace=() worst_pace=() repeated=()
declare -A mark=() mark_ticks=() mark_bytes=()	# the last progress

# Each check is a session, by which all its processes are found
in_sessions() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v sessions=" $* " '
		{ pid = $1; sub(/^.*\) /, "") }
		index(sessions, " " $4 " ") && $1 != "Z" { print pid, $12 + $13 + $14 + $15 }'
}

# end_sessions <leader...>: a leader that has not made its session yet, too, as
# long as it is a child of this process and not somebody else with its number
end_sessions() {
	local signal pid
	[ $# -gt 0 ] || return 0
	for signal in TERM KILL; do
		for pid; do
			[ "$(parent_of "$pid")" != $$ ] || kill "-$signal" "$pid" 2>/dev/null || true
		done
		while read -r pid _; do
			kill "-$signal" "$pid" 2>/dev/null || true
		done < <(in_sessions "$@")
		for _ in $(seq $((GRACE * 5))); do
			[ -n "$(in_sessions "$@")" ] || return 0
			sleep 0.2
		done
	done
}

end_all() {
	trap '' INT TERM HUP
	end_sessions "${pid_of[@]}"
	rm -f "$OUT.sessions"
}

# What a run that was killed has left. A process of that number that began at
# another time is not the session's leader, but somebody else.
end_left() {
	local leader began now
	while read -r leader began; do
		now=$(begin_of "$leader")
		if [ -z "$now" ] || [ "$now" = "$began" ]; then
			end_sessions "$leader"
		fi
	done < <(cat "$OUT.sessions" 2>/dev/null || true)
	: >"$OUT.sessions"
}
parent_of() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f2 || true; }
begin_of() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20 || true; }

# The CPU time of a check's processes, in ticks, and the bytes that it wrote
ticks() { in_sessions "${pid_of[$1]}" | awk '{ sum += $2 } END { print sum + 0 }'; }
bytes() {
	{ find "$OUT/$1" "$OUT/$1.log" -maxdepth 2 -type f -printf '%s\n' 2>/dev/null || true; } |
		awk '{ sum += $1 } END { print sum + 0 }'
}

progressed() {
	mark[$1]=$SECONDS
	mark_ticks[$1]=$2
	mark_bytes[$1]=$3
}

# A compiler, a machine that executes instructions, and a console that says
# something make progress; one that idles takes less than 3 % of a processor.
sample() {
	local id=$1 ticks bytes waited=$((SECONDS - mark[$1]))
	ticks=$(ticks "$id")
	bytes=$(bytes "$id")
	if [ "$bytes" != "${mark_bytes[$id]}" ] || { [ "$waited" -ge 10 ] &&
		[ $(((ticks - mark_ticks[$id]) * 100)) -ge $((waited * ticks_per_second * 3)) ]; }; then
		progressed "$id" "$ticks" "$bytes"
	fi
}

start() {
	local id=$1
	export CHECK_DIR=$OUT/$id CHECK_LOG=$OUT/$id.log
	rm -rf "$CHECK_DIR"
	mkdir -p "$CHECK_DIR/log"
	MSI_LOGDIR=$CHECK_DIR/log PACE=$PACE setsid "$ROOT/scripts/check.sh" --function "${function_of[$id]}" \
		>"$CHECK_LOG" 2>&1 </dev/null 8<&- 9>&- &
	pid_of[$id]=$!
	echo "$! $(begin_of $!)" >>"$OUT.sessions"
	state[$id]=running
	started[$id]=$SECONDS
	start_pace[$id]=$PACE
	worst_pace[$id]=$PACE
	progressed "$id" 0 0
}

# once_more <id> <what took too long>: when the machine became slower meanwhile
once_more() {
	local id=$1
	look_at_pace "$id"
	if [ -n "${repeated[$id]:-}" ] || [ "${worst_pace[$id]}" -le "${start_pace[$id]}" ]; then
		return 1
	fi
	repeated[$id]=1
	printf '# %s: %s, at pace %d; it became %d meanwhile: once more\n' "$id" "$2" \
		"${start_pace[$id]}" "${worst_pace[$id]}"
	PACE=${worst_pace[$id]}
	fits "$id" || return 0
	start "$id"
}

# fits <id>: it ends before the deadline; else it is skipped
fits() {
	local seconds left
	[ -n "$DEADLINE" ] || return 0
	seconds=$(expected "$1")
	left=$((DEADLINE - SECONDS))
	[ "$seconds" -ge "$left" ] || return 0
	skip "$1" "it takes $seconds s at pace $PACE, and $left s are left"
	return 1
}

ended() {
	local id=$1 status=$2 took
	took=$((SECONDS - started[$id]))
	end_sessions "${pid_of[$id]}"
	unset "pid_of[$id]"
	if [ "$status" -eq 4 ] && [[ $(tail -n 1 "$OUT/$id.log") == 'skipped: '?* ]]; then
		skip "$id" "$(tail -n 1 "$OUT/$id.log" | sed 's/^skipped: //')"
	elif [ "$status" -eq 124 ] && once_more "$id" "$(reason "$OUT/$id.log")"; then
		:
	elif [ "$status" -gt 128 ] && [ "$status" -le 192 ]; then
		judge "$id" "$status" "$took" "ended by signal $((status - 128)): $(reason "$OUT/$id.log")"
	else
		judge "$id" "$status" "$took"
	fi
}

# too_long <id>: its limit has passed; on a slower machine it has more time
too_long() {
	local id=$1 limit
	look_at_pace
	limit=$((limit_of[$id] * worst_pace[$id]))
	[ $((SECONDS - started[$id])) -ge "$limit" ] || return 0
	end_sessions "${pid_of[$id]}"
	unset "pid_of[$id]"
	once_more "$id" "no end after $limit s" ||
		judge "$id" 124 $((SECONDS - started[$id])) "no end after $limit s"
}

# look_at_pace [<id that has just ended>]
paced=0
look_at_pace() {
	local id
	measure_pace
	paced=$SECONDS
	for id in "${!pid_of[@]}" "$@"; do
		[ "$PACE" -le "${worst_pace[$id]}" ] || worst_pace[$id]=$PACE
	done
}

# --- scheduler -------------------------------------------------------------------

# needs_are <id>: met, unmet, or the one that will not be
needs_are() {
	local need answer=met
	for need in ${needs_of[$1]}; do
		case ${state[$need]} in
		passed) ;;
		failed | skipped)
			echo "needs $need, which ${state[$need]/skipped/was skipped}"
			return
			;;
		*) answer=unmet ;;
		esac
	done
	echo "$answer"
}

serial_runs() {	# <group>
	local id
	for id in "${!pid_of[@]}"; do
		[ "${id%%/*}" != "$1" ] || return 0
	done
	return 1
}

alone_runs() {
	local id
	for id in "${!pid_of[@]}"; do
		[ -z "${is_alone[$id]:-}" ] || return 0
	done
	return 1
}

# try_start <id>: starts or skips it if its time has come. Status 1: nothing
# else may start before it.
try_start() {
	local id=$1 needs
	needs=$(needs_are "$id")
	case $needs in
	met) ;;
	unmet) return 0 ;;
	*)
		skip "$id" "$needs"
		return 0
		;;
	esac
	if [ ${#pid_of[@]} -ge "$JOBS" ] || alone_runs; then
		return 1
	elif [ -n "${is_alone[$id]:-}" ] && [ ${#pid_of[@]} -gt 0 ]; then
		return 1
	elif [ -n "${is_serial[${id%%/*}]:-}" ] && serial_runs "${id%%/*}"; then
		return 0
	fi
	fits "$id" || return 0
	[ $((SECONDS - paced)) -lt "$SAMPLE" ] || look_at_pace
	if fits "$id"; then
		start "$id"
	fi
}

start_what_may() {
	local id
	for id in "${selected[@]}"; do
		if [ -n "$DEADLINE" ] && [ "$SECONDS" -ge "$DEADLINE" ]; then
			return 0
		elif [ "${state[$id]}" = waiting ]; then
			try_start "$id" || return 0
		fi
	done
}

look_at_running() {
	local id status
	for id in "${!pid_of[@]}"; do
		if ! kill -0 "${pid_of[$id]}" 2>/dev/null; then
			status=0
			wait "${pid_of[$id]}" || status=$?
			ended "$id" "$status"
		elif [ $((SECONDS - started[$id])) -ge $((limit_of[$id] * worst_pace[$id])) ]; then
			too_long "$id"
		fi
	done
}

at_deadline() {
	local id
	look_at_running
	for id in "${!pid_of[@]}"; do
		sample "$id"
	done
	end_sessions "${pid_of[@]}"
	for id in "${!pid_of[@]}"; do
		unset "pid_of[$id]"
		if [ $((SECONDS - mark[$id])) -ge $((STALL * PACE)) ]; then
			judge "$id" 124 $((SECONDS - started[$id])) \
				"no progress for $((SECONDS - mark[$id])) s at the deadline"
		else
			skip "$id" "at work at the deadline, after $((SECONDS - started[$id])) s"
		fi
	done
	for id in "${selected[@]}"; do
		[ "${state[$id]}" != waiting ] || skip "$id" "the deadline came first"
	done
}

unfinished() {
	local id
	for id in "${selected[@]}"; do
		case ${state[$id]} in
		waiting | running) return 0 ;;
		esac
	done
	return 1
}

run_checks() {
	local id sampled=$SECONDS
	# Nobody writes to it: reading from it takes as long as it is told to
	exec 8<> <(:)
	while unfinished; do
		look_at_running
		if [ -n "$DEADLINE" ] && [ "$SECONDS" -ge "$DEADLINE" ]; then
			at_deadline
			return
		fi
		if [ -n "$changed" ]; then
			changed=
			start_what_may
		fi
		if [ $((SECONDS - sampled)) -ge "$SAMPLE" ]; then
			for id in "${!pid_of[@]}"; do
				sample "$id"
			done
			sampled=$SECONDS
		fi
		if [ $((SECONDS - paced)) -ge 60 ]; then
			look_at_pace
		fi
		read -r -t 0.2 -u 8 _ || true
	done
}

# --- the end -------------------------------------------------------------------------

# What the checks are about, as one line; "changed" when it is not committed
subject() {
	if [ -z "$(pgit status --porcelain -- "${SUBJECT[@]}" | sed -n 1p)" ]; then
		pgit rev-parse "${SUBJECT[@]/#/HEAD:}" | sha256sum | cut -d' ' -f1
	else
		echo changed
	fi
}

# A whole run with a deadline has done enough when the series and the static
# checks, a kernel, its boot and its KUnit suites have passed; or, where they did
# not fit, when nothing of the kernel's has changed since a run that did it all.
enough() {
	local id missing=() recorded digest
	for id in "${selected[@]}"; do
		if in_list "$id" "${REQUIRED[@]}" && [ "${state[$id]}" = skipped ]; then
			missing+=("$id")
		fi
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	read -r recorded digest _ < <(grep -v '^#' "$RECORD" 2>/dev/null || echo none none)
	if [ "$digest" = "$subject" ] && [ "$subject" != changed ]; then
		printf '\nnot run: %s. But %s are as at %s, where everything passed.\n' \
			"${missing[*]}" "${SUBJECT[*]}" "$recorded"
		return 0
	fi
	echo "error: ${missing[*]} did not run, and ${SUBJECT[*]} are not as at $recorded, where all passed:" \
		"run it on a machine that is free, or with a later DEADLINE" >"$OUT/enough.log"
	echo
	result "not ok" enough "" "$(sed 's/^error: //' "$OUT/enough.log")" "$OUT/enough.log"
}

# For scripts/checks/plan and full-run
write_records() {
	local id
	for id in "${ids[@]}"; do
		[ "${state[$id]:-}" != passed ] || echo "$id $(in_seconds "$OWN_SECONDS" "$id")"
	done >"$OUT/plan"
	if [ "$failed" -eq 0 ] && [ ${#skips[@]} -eq 0 ] && [ "$subject" != changed ] &&
		[ "$subject" = "$(subject)" ]; then
		echo "$commit $subject $passed $(date -u +%F)" >"$OUT/full-run"
	fi
}

summary() {
	local id
	if [ ${#failures[@]} -gt 0 ]; then
		printf '\nfailed:\n'
		printf '  %s\n' "${failures[@]}"
	fi
	printf '\n%-32s %7s %7s %7s %7s\n' check passed failed seconds CPU
	for id in "${selected[@]}"; do
		# shellcheck disable=SC2086
		printf '%-32s %7s %7s %7s %7s\n' ${rows[$id]}
	done
	printf '\nthe longest: %s\n' "$(for id in "${!took_of[@]}"; do echo "${took_of[$id]} $id"; done |
		sort -rn | head -n 10 | sed 's/^\([0-9]*\) \(.*\)/\2 \1 s/' | paste -sd, | sed 's/,/, /g')"
	ccache_rates || true
	printf 'after %d min %d s and %d s of CPU, pace %d now\n' $((SECONDS / 60)) $((SECONDS % 60)) \
		"$cpu_total" "$PACE"
	printf '%d skipped%s\n' ${#skips[@]} "${skips:+: ${skips[*]}}"
	printf '%d passed, %d failed\n' "$passed" "$failed"
}

list=
case ${1:-} in
--function)
	load_groups
	cd "$ROOT"
	trap 'times >"$CHECK_DIR/cpu"' EXIT
	"$2"
	exit
	;;
--list)
	list=1
	shift
	;;
-*) die "check.sh: unknown argument '$1'" "usage: [JOBS=n] [DEADLINE=seconds] [PACE=n] check.sh [--list] [group | group/name ...]" ;;
esac

whole=
[ $# -gt 0 ] || whole=1
load_groups
sort_by_plan
select_checks "$@"
if [ -n "$list" ]; then
	printf '%s\n' "${selected[@]}"
	exit
fi

# number_wanted <variable> <what for>
number_wanted() {
	case ${!1} in
	*[!0-9]* | 0*) die "$1 is '${!1}', not a number$2" ;;
	esac
}
JOBS=${JOBS:-$(($(nproc) < 2 ? 3 : 4))} DEADLINE=${DEADLINE:-}
number_wanted JOBS " of checks to run at once: make check JOBS=1, for one after the other"
number_wanted DEADLINE " of seconds, from now"
ticks_per_second=$(getconf CLK_TCK)
for id in "${selected[@]}"; do
	state[$id]=waiting
done
mkdir -p "$OUT"
if ! in_lock "$OUT.lock" "$DEADLINE"; then
	echo "error: another run of the checks has $OUT"
	printf '0 skipped\n0 passed, 1 failed\n'
	exit 1
fi
end_left
trap end_all EXIT
trap 'exit 130' INT TERM HUP
subject=$(subject)
commit=$(pgit rev-parse HEAD)
measure_pace
ccache_start
printf '%d checks, %d at once; logs in %s/; pace %d%s\n' ${#selected[@]} "$JOBS" "${OUT#"$ROOT"/}" "$PACE" \
	"${DEADLINE:+; deadline in $DEADLINE s}"
run_checks
if [ -n "$whole" ]; then
	enough
	write_records
fi
summary
[ "$failed" -eq 0 ]
