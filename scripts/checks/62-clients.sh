# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2153,SC2034,SC2054
#
# Programs that nobody here wrote, as they are, with devices whose interrupts are
# counted at both ends: by the host that passes them on, and by who receives them.

. "$ROOT/scripts/initramfs.sh"
. "$ROOT/scripts/selftests.sh"

CLIENT_WINDOW=0x00000000fe000000-0x00000000fe0fffff
# A network device; QEMU itself answers its packets, and echoes a stream
CLIENT_NIC=(--netdev user,id=net,guestfwd=tcp:10.0.2.9:7-cmd:cat --device e1000e,addr=5,netdev=net,romfile=)
# Two, one for the host's own driver; it has the address that l3fwd-power sends to
CLIENT_HUB=(--netdev hubport,id=near,hubid=0 --device e1000e,addr=5,netdev=near,romfile=
	--netdev hubport,id=far,hubid=0 --device e1000e,addr=6,netdev=far,mac=02:00:00:00:00:00,romfile=)

# Name, profile, MSI controller, window, QEMU's release, how often the guest works, and
# the environment of tools/boot/demo-host
GUESTS=(
	"nvme-type1          base   its default bookworm 1"
	"nvme-type1-moved    base   its moved   bookworm 1"
	"nvme-type1-v2m      base   v2m moved   bookworm 1"
	"nvme-compat         base   its default bookworm 1 COMPAT=1"
	"nvme-compat-moved   base   its moved   bookworm 1 COMPAT=1"
	"nvme-iommufd        base   its default trixie   1 IOMMUFD=1"
	"nvme-iommufd-moved  base   its moved   trixie   1 IOMMUFD=1"
	"nvme-iommufd-v2m    base   v2m default trixie   1 IOMMUFD=1"
	"nvme-rebooted       base   its moved   bookworm 4 LIFE='rebooted rebooted rebooted'"
	"nvme-killed         base   its default trixie   2 IOMMUFD=1 LIFE=killed"
	"nvme-plugged        server its default trixie   3 LIFE='plugged plugged'"
	"nvme-reset          base   its default trixie   3 IOMMUFD=1 LIFE='reset flr'"
	"nvme-reset-moved    base   its moved   bookworm 3 LIFE='reset flr'"
	"nvme-ports          base   its default bookworm 1 PORTS=1 CPUS=7"
	"nvme-ports-moved    base   its moved   trixie   1 PORTS=1 CPUS=7 IOMMUFD=1"
	"nvme-vectors        server its default trixie   1 PORTS=1 IOMMUFD=1 CPUS=16 WORDS=nvme.write_queues=15 WANTED=nvme0+written"
	"nic                 server its moved   bookworm 1 DEVICES=0000:00:05.0 WANTED=eth0"
	"nic-ip              server its default bookworm 1 DEVICES=0000:00:05.0 WANTED=ip0"
	"nic-ip-moved        server its moved   trixie   1 IOMMUFD=1 DEVICES=0000:00:05.0 WANTED=ip0"
	"nvme-nic            server its default trixie   1 IOMMUFD=1 DEVICES='0000:00:03.0 0000:00:05.0' WANTED=nvme0+eth0"
)

# QEMU has this network device since 8.0
needs_igb() {
	# It must be read to its end
	if [[ $(qemu-system-aarch64 -device help) != *'name "igb"'* ]]; then
		echo "skipped: the machine's QEMU has no igb, which is in 8.0"
		exit 4
	fi
}

client_disk() {
	python3 -c 'import random, sys
sys.stdout.buffer.write(random.Random("msi-iommu").randbytes(16 << 20))' >"$1"
	sha256=$(sha256sum <"$1" | cut -d ' ' -f 1)
}

# guest <row of GUESTS>
guest() {
	local name profile gic window release rounds variables by=type1
	local host=$CHECK_DIR/host version=3 aperture='' emulator judged=() sha256 status=0
	read -r name profile gic window release rounds variables <<<"$1"
	[ "$gic" = its ] || version=2
	[ "$window" = default ] || aperture=$CLIENT_WINDOW
	case $variables in
	*COMPAT=1*) by="type1 of iommufd" ;;
	*IOMMUFD=1*) by=iommufd ;;
	esac
	scripts/root.sh
	scripts/programs.sh
	guest_root "$profile" "$host" "$CHECK_DIR" demo-guest "$BUILD/programs/root/demo/vdpa-demo"
	client_disk "$CHECK_DIR/disk"
	case $name in nvme*) judged+=(-v "sha256=$sha256") ;; esac
	case $name in *nic*) judged+=(-v answers=1) ;; esac
	case $name in nic-ip*) judged+=(-v merges=1) ;; esac
	# A queue for each CPU, those for writes alone, and that of the commands
	[[ ! $variables =~ CPUS=([0-9]+)(.*write_queues=([0-9]+))? ]] ||
		judged+=(-v vectors="$((BASH_REMATCH[1] + BASH_REMATCH[3] + 1))")
	case $variables in *"reset flr"*) judged+=(-v resets=2) ;; esac
	guest_qemu "$release"
	scripts/boot.sh --profile "$profile" --gic "$gic" --kvm --disk "$CHECK_DIR/disk" --add "$host" \
		"${emulator[@]}" "${CLIENT_NIC[@]}" ${aperture:+--append "msi_iommu.window=$aperture"} \
		--run "$variables sh /demo/host $version" --log "$CHECK_DIR/machine.log" --timeout 240 || status=$?
	rm -rf "$host" "$CHECK_DIR/disk" "$CHECK_DIR"/guest*
	tools/boot/client-report -v client="$name" -v by="$by, $gic" -v rounds="$rounds" \
		-v aperture="$aperture" "${judged[@]}" "$CHECK_DIR/machine.log" || status=${status/#0/1}
	return "$status"
}

IN_WHOLE_RUN="nvme-type1 nvme-compat-moved nvme-iommufd-moved"
for i in "${!GUESTS[@]}"; do
	read -r name profile _ <<<"${GUESTS[i]}"
	eval "client_${name//-/_}() { guest \"\${GUESTS[$i]}\"; }"
	check "$name" "client_${name//-/_}" 300 "kernels/$profile" prepare/root prepare/programs
	[[ " $IN_WHOLE_RUN " == *" $name "* ]] || when_asked "$name"
done

# program <name> <window> [<profile> <boot.sh's argument...>]: one that drives a device
# itself, in a host machine with no guest
program() {
	local name=$1 root=$CHECK_DIR/root aperture='' begins=080 sha256 profile=${3:-base} device=("${@:4}")
	case $2 in
	moved) aperture=$CLIENT_WINDOW begins=fe0 ;;
	none) begins=none ;;
	esac
	[ $# -gt 2 ] || device=("${CLIENT_NIC[@]}")
	mkdir -p "$root/demo"
	scripts/root.sh
	scripts/programs.sh
	cp tools/boot/client-program "$BUILD/programs/root/demo/vdpa-demo" "$root/demo/"
	case $name in
	vdpa) ;;
	libvfio) scripts/libvfio.sh ;;
	*) scripts/root.sh programs "$name" ;;
	esac
	[ "$name" = vdpa ] || device+=(--add "$BUILD/root-programs/$name")
	client_disk "$CHECK_DIR/disk"
	scripts/boot.sh --profile "$profile" --disk "$CHECK_DIR/disk" --add "$root" --timeout 240 \
		"${device[@]}" ${aperture:+--append "msi_iommu.window=$aperture"} \
		--run "WINDOW=$begins sh /demo/client-program $name $sha256" --log "$CHECK_DIR/machine.log"
	rm -r "$root" "$CHECK_DIR/disk"
	grep -a '^| ' "$CHECK_DIR/machine.log" | sed "s/| $begins |/| $2 |/"
}
client_blocks() { program blocks default; }
client_blocks_moved() { program blocks moved; }
client_dpdk()   { program dpdk default; }
client_dpdk_moved() { program dpdk moved; }
client_l3fwd()  { program l3fwd default server "${CLIENT_HUB[@]}"; }
client_l3fwd_moved() { program l3fwd moved server "${CLIENT_HUB[@]}"; }
client_vdpa()   { program vdpa none server "${VDPA_DEVICE[@]}"; }
# Its tests map a GiB
LIBVFIO=(base --mem 3G --device igb,addr=5,romfile= --timeout 1200)
client_libvfio() { needs_igb; program libvfio default "${LIBVFIO[@]}"; }
client_libvfio_moved() { needs_igb; program libvfio moved "${LIBVFIO[@]}"; }
PROGRAM_CHECKS=(blocks blocks-moved dpdk dpdk-moved)
for name in "${PROGRAM_CHECKS[@]}"; do
	check "$name" "client_${name//-/_}" 300 kernels/base prepare/root prepare/programs
	when_asked "$name"
done
check libvfio client_libvfio 1200 kernels/base prepare/root prepare/programs
check libvfio-moved client_libvfio_moved 1200 kernels/base prepare/root prepare/programs
for name in l3fwd l3fwd-moved vdpa; do
	check "$name" "client_${name//-/_}" 300 kernels/server prepare/root prepare/programs
done
when_asked libvfio libvfio-moved l3fwd l3fwd-moved vdpa
