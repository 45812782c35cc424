// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation fails in turn while vectors are set up: nothing is left of
 * what failed. Needs a kernel with CONFIG_FAULT_INJECTION and CONFIG_FAILSLAB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "vfio_util.h"
#include "kselftest_harness.h"

#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define NVME		(getenv("NVME") ?: "0000:00:03.0")
#define MAX_VECTORS	2048
#define SWEEP_VECTORS	4
#define SWEEP_MAX	5000

FIXTURE(sweep)
{
	struct space space;
	struct device dev;
	int vectors, fail_nth;
	int fds[MAX_VECTORS];
};

FIXTURE_VARIANT(sweep)
{
	enum backend backend;
};

FIXTURE_VARIANT_ADD(sweep, type1) { .backend = TYPE1 };
FIXTURE_VARIANT_ADD(sweep, iommufd) { .backend = IOMMUFD };

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE_SETUP(sweep)
{
	struct rlimit files = { MAX_VECTORS + 64, MAX_VECTORS + 64 };
	int i;

	/* Allocations that may sleep, and single pages, are to fail, too */
	ASSERT_EQ(0, write_file("/sys/kernel/debug/failslab/ignore-gfp-wait",
				"N"));
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	self->vectors = atoi(getenv("VECTORS") ?: "2048");
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	for (i = 0; i < self->vectors; i++) {
		self->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ASSERT_LE(0, self->fds[i]);
	}
	self->fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fail_nth);
	ASSERT_EQ(0, device_to_vfio(NVME));
	ASSERT_EQ(0, space_open(&self->space, variant->backend));
	ASSERT_EQ(0, device_open(&self->dev, &self->space, NVME));
}

FIXTURE_TEARDOWN(sweep)
{
	struct doorbells d;

	device_close(&self->dev);
	space_close(&self->space);
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(0, d.count);
}

/* Sets @ret to what the call says; whether the @n-th allocation was reached */
static int set_and_fail(int fail_nth, int n, struct device *dev, int *fds,
			int *ret)
{
	char text[16] = {};

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		return -errno;
	*ret = irqs_set(dev, MSIX, 0, SWEEP_VECTORS, fds);
	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (pwrite(fail_nth, "0", 1, 0) < 0)
		return -errno;
	return atoi(text) == 0;
}

TEST_F_TIMEOUT(sweep, set_irqs, 300)
{
	struct doorbells d;
	int n, ret = 0, injected = 1, failures = 0;

	for (n = 1; injected && n < SWEEP_MAX; n++) {
		injected = set_and_fail(self->fail_nth, n, &self->dev,
					self->fds, &ret);
		ASSERT_LE(0, injected);
		ASSERT_EQ(0, doorbells_read(&d));
		if (ret) {
			ASSERT_EQ(1, injected);
			failures++;
			ASSERT_EQ(0, d.count);
			continue;
		}
		/* an allocation that the kernel can do without */
		ASSERT_EQ(1, d.count);
		ASSERT_EQ(SWEEP_VECTORS, d.refs);
		ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
	}
	TH_LOG("%d allocations failed, %d calls with them", n - 2, failures);
	ASSERT_EQ(0, injected);
	ASSERT_LE(10, failures);
	ASSERT_EQ(0, irqs_set(&self->dev, MSIX, 0, self->vectors, self->fds));
	ASSERT_EQ(0, doorbells_read(&d));
	EXPECT_EQ(1, d.count);
	EXPECT_EQ(self->vectors, d.refs);
	ASSERT_EQ(0, irqs_off(&self->dev, MSIX));
}

TEST_HARNESS_MAIN
