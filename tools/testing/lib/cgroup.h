/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory cgroup */
#ifndef MSI_LIB_CGROUP_H
#define MSI_LIB_CGROUP_H

#define CGROUP		"/sys/fs/cgroup/iommu_msi"
#define CGROUP_ROOT	"/sys/fs/cgroup"

/* Both return 0, or a negative errno */
int cgroup_make(void);
/* The process that calls it goes to CGROUP, or back to CGROUP_ROOT */
int cgroup_join(const char *cgroup);

#endif
