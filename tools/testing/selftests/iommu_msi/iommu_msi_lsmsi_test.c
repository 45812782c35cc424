// SPDX-License-Identifier: GPL-2.0-only
/*
 * lsmsi, next to this program, on a device with a live MSI
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "edu_util.h"
#include "kselftest_harness.h"

#define MSI	VFIO_PCI_MSI_IRQ_INDEX

/* What lsmsi says, and its exit status; -1 if it cannot be run */
static int lsmsi(const char *arguments, char *said, size_t size)
{
	char self[256], command[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t length;
	FILE *pipe;

	if (n < 0)
		return -1;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(command, sizeof(command), "%s/lsmsi %s 2>&1", self, arguments);
	pipe = popen(command, "r");
	if (!pipe)
		return -1;
	length = fread(said, 1, size - 1, pipe);
	said[length] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

FIXTURE(lsmsi)
{
	struct space space;
	struct device edu;
	int eventfd;
	char said[16384];
};

FIXTURE_SETUP(lsmsi)
{
	if (lsmsi("--version", self->said, sizeof(self->said)))
		SKIP(return, "no lsmsi next to this program: build it in tools/iommu");
	ASSERT_EQ(0, device_to_vfio(edu_address()));
	self->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_EQ(0, space_open(&self->space, TYPE1));
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
}

FIXTURE_TEARDOWN(lsmsi)
{
	device_close(&self->edu);
	space_close(&self->space);
}

TEST_F(lsmsi, live_vector)
{
	char pa[32], iova[32];
	struct doorbells d;

	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(1, d.count);
	snprintf(pa, sizeof(pa), "0x%llx", (unsigned long long)d.at[0].pa);
	snprintf(iova, sizeof(iova), "0x%llx", (unsigned long long)d.at[0].iova);

	ASSERT_EQ(0, lsmsi("", self->said, sizeof(self->said)));
	printf("%s", self->said);
	EXPECT_NE(NULL, strstr(self->said, edu_address()));
	EXPECT_NE(NULL, strstr(self->said, "vfio-pci"));
	EXPECT_NE(NULL, strstr(self->said, "unmanaged"));
	EXPECT_NE(NULL, strstr(self->said, pa));
	EXPECT_NE(NULL, strstr(self->said, iova));

	ASSERT_EQ(0, lsmsi("--json", self->said, sizeof(self->said)));
	EXPECT_NE(NULL, strstr(self->said, iova));
	EXPECT_EQ(3, lsmsi("0000:ff:1f.7", self->said, sizeof(self->said)));
	EXPECT_NE(NULL, strstr(self->said, "0000:ff:1f.7"));
}

/* Is that what lsmsi says of the edu device's domain, in a column of its own? */
static bool is_kind(const char *kind)
{
	char said[4096], column[32];

	snprintf(column, sizeof(column), " %s ", kind);
	return !lsmsi(edu_address(), said, sizeof(said)) && strstr(said, column);
}

TEST(kinds)
{
	struct space space;
	struct device edu;

	ASSERT_EQ(0, device_unbind(edu_address()));
	ASSERT_EQ(0, device_set_default_domain(edu_address(), "identity"));
	EXPECT_TRUE(is_kind("identity"));
	ASSERT_EQ(0, device_set_default_domain(edu_address(), "DMA"));
	EXPECT_TRUE(is_kind("dma"));
	ASSERT_EQ(0, device_set_default_domain(edu_address(), "DMA-FQ"));
	EXPECT_TRUE(is_kind("dma-fq"));
	ASSERT_EQ(0, device_set_default_domain(edu_address(), "auto"));

	ASSERT_EQ(0, device_to_vfio(edu_address()));
	ASSERT_EQ(0, space_open(&space, IOMMUFD));
	ASSERT_EQ(0, device_open(&edu, &space, edu_address()));
	EXPECT_TRUE(is_kind("unmanaged"));
	ASSERT_EQ(0, device_detach(&edu));
	EXPECT_TRUE(is_kind("blocked"));
	device_close(&edu);
	space_close(&space);
}

TEST_HARNESS_MAIN
