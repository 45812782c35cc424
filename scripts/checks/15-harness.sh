# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The boot harness itself: what went wrong in a machine must not pass.

# refused <what> <boot.sh's reason, a pattern> <time limit> <command>
refused() {
	local what=$1 pattern=$2 limit=$3 command=$4 log=$CHECK_DIR/$1.log said
	if said=$(scripts/boot.sh --profile base --run "$command" --log "$log" \
		--timeout "$limit" 2>&1); then
		die "$what passed" "it must be refused" "$log"
	fi
	printf '%s\n' "$said"
	if ! grep -q -E "$pattern" <<<"$said"; then
		die "$what was refused for another reason" "expected: $pattern" "$log"
	fi
}

harness_refuses() {
	scripts/build.sh base
	scripts/boot.sh --profile base --run 'true' --log "$CHECK_DIR/good.log" --timeout 120
	refused status 'failed .status 3.' 120 'exit 3'
	refused silence 'without a result' 120 'poweroff -f'
	refused panic 'the kernel complained' 120 'echo c >/proc/sysrq-trigger'
	refused backtrace 'the kernel complained' 120 'echo l >/proc/sysrq-trigger; sleep 1'
	refused hang 'did not end within' 30 'sleep 1000'
	echo 'every fault was refused'
}

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
		'after end/after doorbell 3 0x0000000008090040 0x0000000008000040 0x4 1' \
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

after kernels
check refuses-faults harness_refuses
check report harness_report
check report-aperture harness_report_aperture
check report-window harness_report_window
