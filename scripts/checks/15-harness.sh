# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The boot harness itself: what went wrong in a machine must not pass.

# refused <what> <boot.sh's reason, a pattern> <profile> <time limit> <command>
refused() {
	local what=$1 pattern=$2 profile=$3 limit=$4 command=$5 log=$CHECK_DIR/$1.log said status=0
	said=$(scripts/boot.sh --profile "$profile" --add "$BUILD/programs/$profile" --run "$command" \
		--log "$log" --timeout "$limit" 2>&1) || status=$?
	if [ "$status" -eq 0 ]; then
		die "$what passed" "it must be refused" "$log"
	fi
	printf '%s\n' "$said"
	if ! grep -q -E "$pattern" <<<"$said"; then
		die_status=$status die "$what was refused for another reason" "expected: $pattern" "$log"
	fi
}

harness_refuses() {
	scripts/boot.sh --profile base --run 'true' --log "$CHECK_DIR/good.log" --timeout 120
	refused status 'failed .status 3.' base 120 'exit 3'
	refused silence 'without a result' base 120 'poweroff -f'
	refused panic 'the kernel complained' base 120 'echo c >/proc/sysrq-trigger'
	refused backtrace 'the kernel complained' base 120 'echo l >/proc/sysrq-trigger; sleep 1'
	refused hang 'its last line: the command runs' base 30 'echo the command runs; sleep 100000'
	echo 'every fault was refused'
}

# What the kernel of the other checks is there to find
harness_debug_refuses() {
	local load='insmod /tests/boot_fault.ko fault='
	refused leak 'unreferenced object' debug 180 "${load}leak"
	refused use-after-free 'KASAN: slab-use-after-free in .*boot_fault' debug 180 "${load}use-after-free"
	refused lock-order 'possible circular locking' debug 180 "${load}lock-order"
	refused no-scan 'nobody has looked for leaks' debug 180 \
		"mount -t tmpfs none /sys/kernel/debug"
	echo 'every fault was refused'
}

# toys [<variable=value>...]: check.sh on a group of toys, in $CHECK_DIR; what it
# says goes to $CHECK_DIR/said
toys() {
	local toys_command
	toys_command "$@"
	"${toys_command[@]}" >"$CHECK_DIR/said" 2>&1
}
toys_command() {
	rm -rf "$CHECK_DIR/run"
	toys_command=(env -u DEADLINE "MSI_CHECKS=$CHECK_DIR/toys" "MSI_OUT=$CHECK_DIR/run"
		"XDG_CACHE_HOME=$CHECK_DIR/cache" MSI_STALL=4 JOBS=2 PACE=1 "TOY=98765.$$" "$@" scripts/check.sh)
}

# said <pattern>: as a whole line
said() {
	grep -q -x -E -e "$1" "$CHECK_DIR/said" ||
		die "check.sh did not say: $1" "what it said:" "$CHECK_DIR/said"
}

harness_scheduler() {
	local toys=$CHECK_DIR/toys began
	mkdir -p "$toys"
	touch "$toys/plan"
	cat >"$toys/10-toy.sh" <<'TOYS'
check good toy_good 20
check needy toy_good 20 toy/good
check bad toy_bad 20
check orphan toy_good 20 toy/bad
check grandchild toy_good 20 toy/orphan
check unable toy_unable 20
check sick toy_sick 20
check cases toy_cases 20
toy_good() { echo "fine"; }
toy_bad() { die "it is bad" "a reason"; }
toy_unable() { echo "skipped: no such machine"; return 4; }
toy_sick() { echo "no room"; return 4; }
toy_cases() { printf 'TAP version 13\n1..3\nok 1 one\nnot ok 2 two\nok 3 three # SKIP why\n' >"$CHECK_DIR/a.ktap"; }
TOYS
	! toys || die "a check failed, and status 0"
	said 'ok [0-9]* toy/good \([0-9]+ s\)'
	said 'ok [0-9]* toy/needy .*'
	said 'not ok [0-9]* toy/bad .*: it is bad, log: .*/toy/bad.log'
	said 'skipped toy/orphan: needs toy/bad, which failed'
	said 'skipped toy/grandchild: needs toy/orphan, which was skipped'
	said 'skipped toy/unable: no such machine'
	said 'not ok [0-9]* toy/sick .*: no room, .*'
	said 'ok [0-9]* toy/cases: one'
	said 'not ok [0-9]* toy/cases: two: .*'
	said 'not ok [0-9]* toy/cases: three: .*'
	said '3 skipped: toy/.* toy/.* toy/.*'
	[ "$(tail -n 1 "$CHECK_DIR/said")" = '4 passed, 4 failed' ] ||
		die "the last line is: $(tail -n 1 "$CHECK_DIR/said")" "" "$CHECK_DIR/said"

	cat >"$toys/10-toy.sh" <<'TOYS'
check hang toy_hang 3
check good toy_good 20
toy_hang() { sleep "$TOY" & sleep "$TOY"; }
toy_good() { :; }
TOYS
	! toys || die "a hang, and status 0"
	said 'not ok [0-9]* toy/hang .*: no end after 3 s, .*'
	said '1 passed, 1 failed'
	! toy_sleeps || die "a hang was left running"

	# The machine becomes three times slower, once
	cat >"$toys/10-toy.sh" <<'TOYS'
measure_pace() { PACE=$(cat "$MSI_CHECKS/pace"); }
check slow toy_slow 20
check late toy_late 3
toy_slow() {
	[ "$PACE" -lt 3 ] || return 0
	echo 3 >"$MSI_CHECKS/pace"
	echo "error: it did not end within 5 s"
	return 124
}
toy_late() { sleep 6; }
TOYS
	echo 1 >"$toys/pace"
	toys JOBS=1 PACE= || die "a slow machine, and a check failed" "" "$CHECK_DIR/said"
	said '# toy/slow: it did not end within 5 s, at pace 1; it became 3 meanwhile: once more'
	said '2 passed, 0 failed'

	# What works until the deadline, what idles, what does not fit, what waits
	cat >"$toys/10-toy.sh" <<'TOYS'
check works toy_works 100
check idles toy_idles 100
check long toy_good 100
check waits toy_good 100 toy/works
check short toy_good 100
toy_works() { while sleep 0.2; do echo 'at work'; done; }
toy_idles() { sleep 1000; }
toy_good() { :; }
TOYS
	printf '%s\n' 'toy/short 1' 'toy/long 1000' 'toy/works 1' 'toy/idles 1' >"$toys/plan"
	began=$SECONDS
	! toys DEADLINE=10 || die "no progress, and status 0"
	said 'ok [0-9]* toy/short .*'
	said 'skipped toy/long: it takes 1000 s at pace 1, and [0-9]+ s are left'
	said 'skipped toy/works: at work at the deadline, after .*'
	said 'skipped toy/waits: .*'
	said 'not ok [0-9]* toy/idles .*: no progress for [0-9]+ s at the deadline, .*'
	said '1 passed, 1 failed'
	[ $((SECONDS - began)) -le "$(paced 40)" ] || die "a deadline of 10 s, and it took $((SECONDS - began)) s"
	: >"$toys/plan"

	# A lock that somebody has, and a check that does not want to end
	! (
		exec 9>"$CHECK_DIR/run.lock"
		flock 9
		toys DEADLINE=2
	) || die "another run has the lock, and status 0"
	said '0 passed, 1 failed'
	cat >"$toys/10-toy.sh" <<'TOYS'
check stubborn toy_stubborn 100
toy_stubborn() { trap '' TERM INT; sleep "$TOY"; sleep "$TOY"; }
TOYS
	toys_command
	"${toys_command[@]}" >"$CHECK_DIR/said" 2>&1 &
	for _ in {1..100}; do
		! toy_sleeps || break
		sleep 0.2
	done
	kill -TERM $!
	wait $! || true
	! toy_sleeps || die "a run that was ended has left a check behind"

	# What must have run, or have run before
	cat >"$toys/10-series.sh" <<'TOYS'
check am toy_unable 20
toy_unable() { echo "skipped: no time"; return 4; }
TOYS
	printf 'check good toy_good 20\ntoy_good() { :; }\n' >"$toys/10-toy.sh"
	! toys || die "the series was not checked, and status 0"
	said 'not ok [0-9]* enough: series/am did not run, and .*'
	said '1 passed, 1 failed'
	if [ -n "$(pgit status --porcelain -- configs drivers include patches)" ]; then
		return 0	# what is not committed has no record
	fi
	echo "0123abc $(pgit rev-parse HEAD:configs HEAD:drivers HEAD:include HEAD:patches | sha256sum | cut -d' ' -f1) 1" >"$toys/full-run"
	toys || die "the series is as at a whole run, and status 1" "" "$CHECK_DIR/said"
	said 'not run: series/am. But .* are as at 0123abc, where everything passed.'
	said '1 skipped: series/am'
	said '1 passed, 0 failed'
}

# Is there a process of the toy's, anywhere? Its number is this check's own, and the
# pattern does not match itself.
toy_sleeps() { [ -n "$(grep -l -s -a -x -z "98765[.]$$" /proc/[0-9]*/cmdline || true)" ]; }

demo_log() {
	cat <<'LOG'
demo: device 0000:00:03.0 0x1b36:0x0010 group 1
demo: reserved 0x0000000008000000 0x00000000080fffff msi
demo: live # domain window-start window-end page-size pages-used pages-total groups
demo: live domain 3 0x0000000008000000 0x00000000080fffff 0x1000 1 256
demo: live # doorbell pa iova size references
demo: live doorbell 3 0x0000000008090040 0x0000000008000040 0x4 3
demo: live end
demo: hostirq  45:  10  20  ITS-PCI-MSIX-0000:00:03.0   0 Edge      vfio-msix[0](0000:00:03.0)
demo: after # doorbell pa iova size references
demo: after end
demo: guest bytes 65536
demo: guest sha256 5ca1ab1e
demo: guest irq  27:  256  0  ITS-PCI-MSIX-0000:00:01.0   1 Edge      nvme0q1
demo: guest irq  28:  0  256  ITS-PCI-MSIX-0000:00:01.0   2 Edge      nvme0q2
LOG
}

# demo_report <from> <to> [<awk options>]: the report on a good log in which one
# thing was changed
demo_report() {
	demo_log | sed "s/$1/$2/g" | tools/boot/demo-report -v gic=its -v iommu=smmuv3 \
		-v bytes=65536 -v sha256=5ca1ab1e "${@:3}" -
}

harness_report() {
	local change said
	demo_report '$' ''
	for change in 'sha256 5ca1ab1e/sha256 0badcafe' 'bytes 65536/bytes 4096' \
		'256  0/0  0' '10  20/0  0' '.*live doorbell.*/' \
		'0x0000000008000040/0x0000000009000040' '.*live end/' \
		'.*after end/demo: after doorbell 3 0x0000000008090040 0x0000000008000040 0x4 1\n&' \
		'.*after end/demo: after absent' '.*live end/demo: live absent'; do
		if said=$(demo_report "${change%%/*}" "${change#*/}"); then
			die "the report finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
}

harness_report_aperture() {
	local aperture=aperture=0x0000000008000000-0x00000000080fffff said
	demo_report '$' '' -v "$aperture"
	for change in 'reserved 0x0000000008000000/reserved 0x0000000008010000' \
		'0x0000000008000000 0x00000000080fffff 0x1000/0x0000000000000000 0x000000000fffffff 0x1000' \
		'0x0000000008000040/0x0000000009000040'; do
		if said=$(demo_report "${change%%/*}" "${change#*/}" -v "$aperture"); then
			die "the report with an aperture finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
	if said=$(demo_report '$' '' -v aperture=0x00000000fe000000-0x00000000fe0fffff); then
		die "the report finds nothing wrong with another aperture than was asked for"
	fi
	tail -n 1 <<<"$said"
}

# The lines of a driver that went well
window_log() {
	local way
	echo 'demo: device 0000:00:02.0 0x1234:0x11e8 group 1'
	echo 'demo: reserved 0x0000000008000000 0x00000000080fffff msi'
	for way in type1 iommufd; do
		sed "s/^/demo: $way /" <<'LOG'
before 0x0000000008000000 0x00000000080fffff ok
set 0x0000000010000000 0x00000000100fffff ok
after 0x0000000010000000 0x00000000100fffff ok
map 0x0000000008000000 0x00000000080fffff ok
vector ok
bytes 16384 16384 0
interrupts 116 116
doorbell 0x0000000008090000 0x0000000010000000 0x1000 1
live 1 ok
left 0 ok
LOG
	done
}

window_report() { window_log | sed "s/$1/$2/" | tools/boot/window-report -v gic=its -v base=0 -; }

harness_report_window() {
	local change way said
	window_report '$' ''
	for change in 'set\(.*\) ok/set\1 EINVAL' 'set.*/' 'map\(.*\) ok/map\1 EINVAL' 'map.*/' \
		'after 0x0000000010000000/after 0x0000000008000000' 'after.*/' 'vector ok/vector ENOSPC' \
		'bytes 16384/bytes 16383' 'bytes\(.*\) 0/bytes\1 1' 'bytes.*/' \
		'interrupts 116/interrupts 115' 'interrupts 116/interrupts 117' 'interrupts.*/' \
		'doorbell\(.*\) 0x00000000100/doorbell\1 0x00000000080' 'doorbell.*/' \
		'live.*/' 'left 0/left 1' 'left.*/'; do
		for way in type1 iommufd; do
			if said=$(window_report "$way ${change%%/*}" "$way ${change#*/}"); then
				die "the report of a driver finds nothing wrong with: $way $change"
			fi
			tail -n 1 <<<"$said"
		done
	done
}

# The lines of a host whose guest reset its disk, read it, and asked its network
client_log() {
	cat <<'LOG'
demo: qemu QEMU emulator version 10.0.13
demo: round 1
demo: live domain 3 0x0000000008000000 0x00000000080fffff 0x1000 1 256
demo: live doorbell 3 0x0000000008090040 0x0000000008000040 0x4 2
demo: live end
demo: hostirq  45:  10  2  ITS-PCI-MSIX-0000:00:03.0   0 Edge      vfio-msix[0](0000:00:03.0)
demo: hostirq  46:  70  20  ITS-PCI-MSIX-0000:00:03.0   1 Edge      vfio-msix[1](0000:00:03.0)
demo: after end
demo: guest resets 5
demo: guest sha256 5ca1ab1e
demo: guest answers 20
demo: guest irq  27:  14  0  ITS-PCI-MSIX-0000:00:01.0   0 Edge      nvme0q0
demo: guest irq  28:  80  10  ITS-PCI-MSIX-0000:00:01.0   1 Edge      nvme0q1
LOG
}

client_report() {
	client_log | sed "s/$1/$2/g" | tools/boot/client-report -v client=toy -v by=type1 -v rounds=1 \
		-v sha256=5ca1ab1e -v answers=1 -v vectors=2 -v resets=1 "${@:3}" -
}

# The lines of a host whose guest has its network device by vhost-vdpa
vdpa_log() {
	cat <<'LOG'
demo: round 1
demo: live domain 1 0x0000fffffff00000 0x0000ffffffffffff 0x1000 1 256
demo: live doorbell 1 0x0000000008090040 0x0000fffffff00040 0x4 2
demo: live end
demo: hostirq  45:  20  0  ITS-PCI-MSIX-0000:00:05.0   0 Edge      vp-vdpa[0000:00:05.0]-0
demo: after end
demo: guest answers 20
demo: guest irq  16:  20  0  ITS-PCI-MSIX-0000:00:01.0   1 Edge      virtio0-input.0
LOG
}

# vdpa_report <script of sed> [<option of vdpa-report>...]
vdpa_report() { vdpa_log | sed "$1" | tools/boot/vdpa-report "${@:2}" -; }

harness_report_clients() {
	local change said event='arm-smmu-v3 9050000.smmuv3: event 0x10 received:'
	client_report '$' ''
	client_report '0x00000000080' 0x00000000fe0 -v aperture=0x00000000fe000000-0x00000000fe0fffff
	for change in 'sha256 5ca1ab1e/sha256 0badcafe' 'answers 20/answers 19' 'guest resets/guest rests' \
		'0x0000000008000040/0x0000000008100040' '0x0000000008000040/0x0000000007ffffc0' \
		'0x0000000008000000/0x0000000009000000' '0x00000000080fffff/0x00000000080effff' \
		'live doorbell/live none' '70  20/70  19' '70  20/70  21' '10  2 /12  3 ' '10  2 /0  0 ' \
		'80  10/80  9' '.*round.*/' '.*round.*/&\n&' ".*qemu.*/$event" '.*qemu.*/demo: error no disk' \
		'.*after end/demo: after doorbell\n&' '.*after end/'; do
		if said=$(client_report "${change%%/*}" "${change#*/}"); then
			die "the report of a client finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
	vdpa_report ''
	for change in 's/answers 20/answers 19/' 's/ 20 \(.*input\)/ 19 \1/' 's/: *20 \(.*vp-vdpa\)/: 19 \1/' \
		's/0x0000fffffff00040/0x0000ffffffe00040/' 's/0x0000ffff/0x00000000/g' '/live domain/d' \
		'/live doorbell/d' 's/.*live domain.*/&\n&/' 's/.*live doorbell.*/&\n&/' '/after end/d' \
		's/.*after end/demo: after domain\n&/' "s/.*round.*/$event/" 's/.*round.*/demo: error no device/'; do
		if said=$(vdpa_report "$change"); then
			die "the report of vhost-vdpa finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
	event="s/.*round.*/$event/"
	vdpa_report "/live do/d; s/20/0/; $event" -v unmapped=1
	vdpa_report "/live do/d; s/ end/ absent/; s/20/0/; $event" -v unmapped=1 -v table=absent
	for change in "/live doorbell/d; s/20/0/; $event" "/live domain/d; s/20/0/; $event" \
		"/live do/d; /answers/!s/20/0/; $event" "/live do/d; /hostirq/!s/20/0/; $event" \
		"/live do/d; /hostirq/d; s/20/0/; $event" '/live do/d; s/20/0/' \
		"/live do/d; s/live end/live absent/; s/20/0/; $event"; do
		if said=$(vdpa_report "$change" -v unmapped=1); then
			die "the report of vhost-vdpa without a window finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
}

# The lines of the driver behind an SMMUv2 whose registers are memory
smmu_log() {
	local boot way
	for boot in 1 2; do
		printf 'demo: %s\n' "boot $boot" 'driver SMMUv2 with:'
		for way in type1 iommufd; do
			smmu_steps own live off moved two
			[ "$way" = type1 ] || smmu_steps replaced detached attached
			echo "demo: left $way 0"
		done
	done
}
smmu_steps() {
	local step
	for step; do
		case $step in
		own | two | replaced) echo "demo: set $way $step 0x8090000 0x809ffff ok" ;;
		live) echo "demo: set $way live 0x10000000 0x100fffff EBUSY" ;;
		esac
		case $step in
		off) echo "demo: walk $way off 0000:00:02.0 0x10 1 0 1 0 - - - - - 16 16 ok" ;;
		detached) echo "demo: walk $way detached 0000:00:02.0 0x10 1 -1 0 0 - - - - - 0 0 0000:00:02.0: S2CR: fault" ;;
		*) echo "demo: walk $way $step 0000:00:02.0 0x10 1 0 1 1 0x8090040 0x8090040 rw- device:0x4 0x1000 15 15 ok" ;;
		esac
		[ "$step" != own ] || echo "demo: interrupts $way own 100 100"
	done
}
smmu_report() { smmu_log | sed "$1" | tools/boot/smmu-report -v gic=its -v iommu=smmuv2 -v stage=1 -; }

harness_report_smmu() {
	local change said
	smmu_report ''
	for change in 's/EBUSY/ok/' 's/own\(.*\) ok$/own\1 EINVAL/' 's/100 100/100 99/' 's/100 100/0 0/' \
		's/0x8090040 rw-/0x8080040 rw-/' 's/rw-/rwx/' 's/device:0x4/normal:0xff/' 's/15 15 ok/15 14 ok/' \
		's/15 15 ok/15 15 0x8090040: not mapped/' 's/ 1 0 1 1 / 1 0 2 1 /' 's/ 1 0 1 1 / 1 0 1 0 /' \
		's/S2CR: fault/S2CR: bypass/' 's/left iommufd 0/left iommufd 1/' '/boot 2/d' '/driver/d' \
		'/iommufd attached/d' '/type1/d' 's/.*boot 2/demo: error no disk/'; do
		if said=$(smmu_report "$change"); then
			die "the report behind an SMMUv2 finds nothing wrong with: $change"
		fi
		tail -n 1 <<<"$said"
	done
}

check refuses-faults harness_refuses 300 kernels/base prepare/root
check debug-refuses-faults harness_debug_refuses 600 kernels/debug prepare/root
check scheduler harness_scheduler 300 prepare/tree
check report harness_report 60
check report-aperture harness_report_aperture 60
check report-clients harness_report_clients 60
check report-window harness_report_window 60
check report-smmu harness_report_smmu 60
