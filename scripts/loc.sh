#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: loc.sh
#
# How many lines the series has: of its own files, and what it adds to and takes
# from others, of the build tree as it is.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

OWN=(drivers/iommu/msi-iommu{,-desc,-frame,-window,-debugfs}.c drivers/iommu/msi-iommu.h)
REST=(include/linux/msi-iommu.h drivers/iommu/iommufd/msi.c)
ADDED=(drivers/iommu/iommu.c drivers/vfio/vfio_iommu_type1.c drivers/vhost/vdpa.c)

[ -d "$KTREE" ] || die "there is no build tree" "make apply makes it"

# lines <title> <files...>
lines() {
	local title=$1 file n sum=0
	shift
	for file; do
		n=$(wc -l <"$KTREE/$file")
		printf '%6d  %s\n' "$n" "$file"
		sum=$((sum + n))
	done
	printf '%6d  = %s\n\n' "$sum" "$title"
	total=$((total + sum))
}

total=0
lines 'the core with its private header' "${OWN[@]}"
lines 'its public header, and iommufd' "${REST[@]}"
while read -r added removed file; do
	printf '%6d  added to %s, %d removed\n' "$added" "$file" "$removed"
	total=$((total + added))
done < <(kgit diff --numstat base -- "${ADDED[@]}")
printf '\n%6d  in all\n' "$total"
