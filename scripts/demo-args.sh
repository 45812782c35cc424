# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What `make demo` can be told. demo.sh sources it after lib.sh.
#
# demo_arguments checks GIC, IOMMU, APERTURE, WINDOW, STAGE, PAGES and BASE of
# the environment and sets
#
#	form			guest, window, or smmu
#	profile			base, vanilla for BASE=1, or 64k for PAGES=64K
#	stage			1 or 2, of the form smmu
#	name			of this form of the demo, for files
#	aperture, window	<first>-<last>, inclusive, 16 digits each; or empty

DEFAULT_WINDOW=0x0000000008000000-0x00000000080fffff
GUEST_MEMORY=0x0000000040000000-0x0000000047ffffff	# demo-host's -m 128
PCI_WINDOWS=(0x0000000010000000-0x000000003efeffff 0x0000008000000000-0x000000ffffffffff)
HIGHEST=$(((1 << 48) - 1))	# address that is worth asking an IOMMU for

first_of() { echo "${1%-*}"; }
last_of() { echo "${1#*-}"; }

# overlap <range> <range>: text compares as the numbers do
overlap() { [[ ! $(last_of "$1") < $(first_of "$2") && ! $(last_of "$2") < $(first_of "$1") ]]; }

# address <variable> <text> <how it must look>: a number, in decimal digits
address() {
	if ! [[ $2 =~ ^0x[0-9a-fA-F]{1,16}$ ]]; then
		die "$1: '$2' is not an address" "$3"
	fi
	if [[ ! $2 =~ ^0x0*[0-9a-fA-F]{1,12}$ ]]; then
		die "$1: $2 is beyond 48 bits, more than an IOMMU translates" "$3"
	fi
	echo $(($2))
}

# range <variable> <first> <last> <multiple of> <how it must look>
range() {
	local variable=$1 first=$2 last=$3 unit=$4 hint=$5
	if [ "$last" -lt "$first" ]; then
		die "$variable ends before it starts" "$hint"
	fi
	if [ "$last" -gt "$HIGHEST" ]; then
		die "$variable ends beyond 48 bits, more than an IOMMU translates" "$hint"
	fi
	if [ $((first % unit)) -ne 0 ] || [ $(((last + 1) % unit)) -ne 0 ]; then
		die "$variable is not made of whole units of $((unit / 1024)) KiB" \
			"$hint; the last address ends with fff$([ "$unit" -eq 4096 ] || echo f)"
	fi
	printf '0x%016x-0x%016x\n' "$first" "$last"
}

parse_aperture() {
	local hint="APERTURE=first-last, as in APERTURE=0xfe000000-0xfe0fffff" first last taken
	case $APERTURE in
	*-*) ;;
	*) die "APERTURE=$APERTURE is not a range" "$hint" ;;
	esac
	first=$(address APERTURE "${APERTURE%%-*}" "$hint")
	last=$(address APERTURE "${APERTURE#*-}" "$hint")
	aperture=$(range APERTURE "$first" "$last" 65536 "$hint")
	if overlap "$aperture" "$GUEST_MEMORY"; then
		die "APERTURE=$APERTURE overlaps the memory of the demo's guest, $GUEST_MEMORY" \
			"$hint"
	fi
	for taken in "${PCI_WINDOWS[@]}"; do
		if overlap "$aperture" "$taken"; then
			die "APERTURE=$APERTURE overlaps a PCI window of the host machine, $taken" \
				"$hint"
		fi
	done
}

parse_window() {
	local hint="WINDOW=start or WINDOW=first-last, as in WINDOW=0x10000000" first last
	first=$(address WINDOW "${WINDOW%%-*}" "$hint")
	case $WINDOW in
	*-*) last=$(address WINDOW "${WINDOW#*-}" "$hint") ;;
	*) last=$((first + 1024 * 1024 - 1)) ;;
	esac
	window=$(range WINDOW "$first" "$last" 4096 "$hint")
	if overlap "$window" "$DEFAULT_WINDOW"; then
		die "WINDOW=$WINDOW overlaps $DEFAULT_WINDOW" \
			"the driver maps its memory there: choose a window elsewhere"
	fi
}

parse_base() {
	case $BASE in
	0) return 0 ;;
	1) ;;
	*) die "BASE=$BASE is not known" "BASE=1 for the unpatched kernel" ;;
	esac
	profile=vanilla
	if [ -z "$aperture$window" ]; then
		die "BASE=1 is for what the unpatched kernel cannot do" \
			"give APERTURE=first-last or WINDOW=start, too"
	fi
	if [ "$IOMMU" = virtio ]; then
		die "BASE=1 has nothing to show with IOMMU=virtio" \
			"behind it doorbells bypass translation with either kernel: use IOMMU=smmuv3"
	fi
	name+=-base
}

# An SMMUv1 has stage 2 alone where nothing translates ATOS
parse_smmu() {
	stage=${STAGE:-$([ "$IOMMU" = smmuv1 ] && echo 2 || echo 1)}
	case $IOMMU-$stage in
	smmuv2-[12] | smmuv1-2) ;;
	*) die "STAGE=$stage is not known for IOMMU=$IOMMU" "STAGE=1 or 2 with smmuv2, 2 with smmuv1" ;;
	esac
	case ${PAGES:-4K} in
	4K) ;;
	64K) profile=64k ;;
	*) die "PAGES=$PAGES is not known" "PAGES=4K or PAGES=64K" ;;
	esac
	name+=-stage$stage-${PAGES:-4K}
	if [ "$APERTURE$WINDOW$BASE" != 0 ]; then
		die "IOMMU=$IOMMU is a form of the demo by itself" \
			"APERTURE, WINDOW and BASE=1 are for IOMMU=smmuv3"
	fi
}

demo_arguments() {
	GIC=${GIC:-its} IOMMU=${IOMMU:-smmuv3} BASE=${BASE:-0}
	APERTURE=${APERTURE:-} WINDOW=${WINDOW:-}
	form=guest profile=base aperture='' window=''
	case $GIC in its | v2m) ;; *) die "GIC=$GIC is not known" "GIC=its or GIC=v2m" ;; esac
	case $IOMMU in
	smmuv3 | virtio) ;;
	smmuv1 | smmuv2) form=smmu ;;
	*) die "IOMMU=$IOMMU is not known" "IOMMU=smmuv3, virtio, smmuv2 or smmuv1" ;;
	esac
	name=$GIC-$IOMMU
	if [ "$form" = smmu ]; then
		parse_smmu
	elif [ -n "${STAGE:-}${PAGES:-}" ]; then
		die "STAGE and PAGES are for IOMMU=smmuv2 and smmuv1" "leave them out"
	fi
	if [ -n "$APERTURE" ] && [ -n "$WINDOW" ]; then
		die "APERTURE and WINDOW are two forms of the demo" "give one of them"
	fi
	if [ -n "$APERTURE" ]; then
		parse_aperture
		name+=-aperture
	fi
	if [ -n "$WINDOW" ]; then
		parse_window
		form=window
		name+=-window
		if [ "$IOMMU" = virtio ]; then
			die "WINDOW needs IOMMU=smmuv3" \
				"behind the virtio-iommu doorbells bypass translation: there is no window to move"
		fi
	fi
	parse_base
}
