// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "module.h"
#include "phys.h"

int phys_open(void)
{
	int fd, ret = module_load("msi_phys", "");

	if (ret && ret != -EEXIST)
		return ret;
	fd = open("/dev/msi_phys", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int get(int fd, uint64_t at, void *value, size_t size)
{
	ssize_t n = pread(fd, value, size, at);

	return n < 0 ? -errno : (size_t)n == size ? 0 : -EIO;
}

int phys_memory(int fd, uint64_t at, uint64_t *value)
{
	return get(fd, at, value, sizeof(*value));
}

int phys_register(int fd, uint64_t at, uint32_t *value)
{
	return get(fd, at, value, sizeof(*value));
}
