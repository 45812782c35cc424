#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: plug.sh PIPE SEED DEVICE...
#
# Unplugs devices of a machine and plugs them in again, until it is sent
# SIGTERM: by QMP on PIPE.in and PIPE.out, see boot.sh. A DEVICE is an argument
# for QEMU's -device which has an id. When follows from the seed. Prints a line a
# device, how often it went and came; status 0 only if each went once at least,
# and every time within PATIENCE.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# PACE of the environment: how many times as long as usual, on a slow machine
PATIENCE=$((300 * ${PACE:-1}))	# seconds for the kernel to let go of a device
ANSWER=$((120 * ${PACE:-1}))	# seconds for QEMU to answer

# heard <seconds> <pattern>: sets line to the next one that matches, gone to
# one about a device that has gone
heard() {
	local end=$((SECONDS + $1))
	while [ "$SECONDS" -lt "$end" ]; do
		line=
		read -r -t 1 -u 4 line || continue
		case $line in
		*DEVICE_DELETED*) gone=$line ;;
		esac
		# shellcheck disable=SC2254
		case $line in
		$2) return ;;
		esac
	done
	line=
}

# qmp <command>: sets line to the answer, which is not an error
qmp() {
	printf '%s\n' "$1" >&3
	heard "$ANSWER" '*"return": *'
	[ -n "$line" ] || die "plug.sh: no answer to $1" "has QEMU ended?"
}

# monitor <command for a person>: sets said to what QEMU says to it, if anything
monitor() {
	qmp '{"execute": "human-monitor-command", "arguments": {"command-line": "'"$1"'"}}'
	said=${line#*\"return\": \"}
	said=${said%%\\r*}
	said=${said%%\"*}
}

between() { sleep "$(($1 + RANDOM % ($2 - $1 + 1)))e-3"; }

id_of() {
	local id=${1#*,id=}
	echo "${id%%,*}"
}

# Waits until whoever has it open closes it
unplug() {
	local id pattern
	id=$(id_of "$1")
	pattern='*"DEVICE_DELETED"*"device": "'$id'"*'
	gone=
	monitor "device_del $id"
	# shellcheck disable=SC2254
	case $said$gone in
	*"not found"* | $pattern) ;;
	?*) return 0 ;;		# the slot is still busy with what came before
	*)
		heard "$PATIENCE" "$pattern"
		[ -n "$line" ] || die "plug.sh: $id was not let go within $PATIENCE s"
		;;
	esac
	unplugged[$id]=$((unplugged[$id] + 1))
	between 0 1000
	monitor "device_add $1"
	[ -z "$said" ] || die "plug.sh: $id cannot be plugged in: $said"
	plugged[$id]=$((plugged[$id] + 1))
}

report() {
	local device id
	for device in "${devices[@]}"; do
		id=$(id_of "$device")
		printf '%-38s unplugged %d times, plugged in %d times\n' "$id" "${unplugged[$id]}" "${plugged[$id]}"
		[ "${unplugged[$id]}" -gt 0 ] || missing=$id
	done
	[ -z "$missing" ] || die "plug.sh: $missing was never unplugged"
	exit 0
}

[ $# -ge 3 ] || die "plug.sh: $# arguments" "usage: plug.sh PIPE SEED DEVICE..."
pipe=$1 seed=$2
shift 2
devices=("$@") missing=
declare -A unplugged plugged
for device; do
	id=$(id_of "$device")
	unplugged[$id]=0 plugged[$id]=0
done
trap report TERM
exec 3<>"$pipe.in" 4<>"$pipe.out"
RANDOM=$((seed % 32768))
qmp '{"execute": "qmp_capabilities"}'
while true; do
	for device; do
		between 500 3000
		unplug "$device"
	done
done
