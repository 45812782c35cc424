// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "sys.h"

int cgroup_make(void)
{
	if (mount("cgroup2", CGROUP_ROOT, "cgroup2", 0, NULL) && errno != EBUSY)
		return -errno;
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		return -errno;
	return file_write("+memory", CGROUP_ROOT "/cgroup.subtree_control");
}

int cgroup_join(const char *cgroup)
{
	return file_write("0", "%s/cgroup.procs", cgroup);
}
