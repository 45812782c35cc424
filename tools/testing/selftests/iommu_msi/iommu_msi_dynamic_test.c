// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver in the kernel adds MSI-X vectors to a device and takes them away, as network
 * drivers do that ask whether they can. What it looks at is in
 * test_modules/msi_dynamic.c; it does not bind if something was not as it should be.
 *
 * Needs QEMU's e1000e: see DYNAMIC in scripts/selftests.sh.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/module.h"
#include "lib/sys.h"
#include "lib/vfio.h"
#include "kselftest_harness.h"

#define CARD	"0000:00:07.0"
#define DEVICE	"/sys/bus/pci/devices/" CARD

static bool bound(void)
{
	char link[256];
	ssize_t n = readlink(DEVICE "/driver", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	return strstr(link, "/msi_dynamic");
}

/* Twice: the first time leaves nothing that the second one meets */
TEST(driver_adds_vectors)
{
	int i;

	ASSERT_EQ(0, device_unbind(CARD));
	ASSERT_EQ(0, file_write("msi_dynamic", DEVICE "/driver_override"));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, module_load("msi_dynamic", ""));
		EXPECT_TRUE(bound());
		EXPECT_EQ(0, module_unload("msi_dynamic"));
	}
	EXPECT_TRUE(nothing_left("driver"));
}

TEST_HARNESS_MAIN
