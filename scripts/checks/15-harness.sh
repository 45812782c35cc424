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

# report <from> <to>: the report on a good log in which one thing was changed
demo_report() {
	sed "s/$1/$2/" <<'LOG' | tools/boot/demo-report -v gic=its -v iommu=smmuv3 -v bytes=65536 -v sha256=5ca1ab1e -
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

check refuses-faults harness_refuses
check report harness_report
