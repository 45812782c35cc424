// SPDX-License-Identifier: GPL-2.0-only
/*
 * lsmsi, next to this program, on a device with a live MSI
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "kselftest_harness.h"

/* What lsmsi says, and its exit status; -1 if it cannot be run, or was killed */
static int lsmsi(const char *arguments, char *said, size_t size)
{
	char self[256], command[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t length;
	FILE *pipe;
	int status;

	if (n < 0)
		return -1;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(command, sizeof(command), "%s/lsmsi %s 2>&1", self, arguments);
	pipe = popen(command, "re");
	if (!pipe)
		return -1;
	length = fread(said, 1, size - 1, pipe);
	said[length] = '\0';
	status = pclose(pipe);
	return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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
	self->eventfd = event_new();
	ASSERT_EQ(0, space_open(&self->space, TYPE1));
	ASSERT_EQ(0, device_open(&self->edu, &self->space, edu_address()));
	ASSERT_EQ(0, irqs_set(&self->edu, MSI, 0, 1, &self->eventfd));
}

FIXTURE_TEARDOWN(lsmsi)
{
	device_close(&self->edu);
	space_close(&self->space);
}

/*
 * The row of the table headed by @title, of @columns, that has @key in column
 * @at: its cells in @cells, none of which is ever empty
 */
static bool find_row(const char *said, const char *title, int columns, int at,
		     const char *key, char cells[][64])
{
	char text[16384], *line, *rest, *word, *words;
	bool inside = false;
	int n;

	snprintf(text, sizeof(text), "%s", said);
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		words = line;
		for (n = 0; n < columns; n++) {
			word = strtok_r(n ? NULL : words, " ", &words);
			if (!word)
				break;
			snprintf(cells[n], sizeof(cells[n]), "%s", word);
		}
		if (!n)
			inside = false;
		else if (!strcmp(cells[0], title))
			inside = true;
		else if (inside && n == columns && !strcmp(cells[at], key))
			return true;
	}
	return false;
}

/* What lsmsi prints for a doorbell, in the array of its domain */
static bool has_doorbell(const char *json, const struct doorbells *d, const char *group)
{
	const char *array = strstr(json, "\"doorbells\": [");
	char row[256];

	snprintf(row, sizeof(row), "\"doorbells\": [\n      {\"pa\": \"0x%" PRIx64
		 "\", \"iova\": \"0x%" PRIx64 "\", \"size\": \"0x%" PRIx64
		 "\", \"references\": %" PRIu64 ", \"groups\": [%s]}]",
		 d->at[0].pa, d->at[0].iova, d->at[0].size, d->at[0].refs, group);
	return array && !strncmp(array, row, strlen(row));
}

TEST_F(lsmsi, live_vector)
{
	char device[7][64], doorbell[6][64], path[64], text[64];
	struct doorbells d;
	const char *group;

	ASSERT_EQ(0, doorbells_read(&d));
	ASSERT_EQ(1, d.count);
	ASSERT_EQ(0, device_group(edu_address(), path, sizeof(path)));
	group = strrchr(path, '/') + 1;

	ASSERT_EQ(0, lsmsi("", self->said, sizeof(self->said)));
	printf("%s", self->said);
	ASSERT_TRUE(find_row(self->said, "GROUP", 7, 1, edu_address(), device));
	EXPECT_STREQ(group, device[0]);
	EXPECT_STREQ("vfio-pci", device[3]);
	EXPECT_STREQ("unmanaged", device[4]);
	snprintf(text, sizeof(text), "%" PRIu64, d.at[0].domain);
	EXPECT_STREQ(text, device[5]);
	EXPECT_STREQ("1", device[6]);
	snprintf(text, sizeof(text), "0x%" PRIx64, d.at[0].pa);
	ASSERT_TRUE(find_row(self->said, "DOORBELL", 6, 0, text, doorbell));
	snprintf(text, sizeof(text), "0x%" PRIx64, d.at[0].iova);
	EXPECT_STREQ(text, doorbell[1]);
	EXPECT_STREQ(device[5], doorbell[3]);
	EXPECT_STREQ("1", doorbell[4]);
	EXPECT_STREQ(group, doorbell[5]);

	snprintf(text, sizeof(text), "--json %s", group);
	ASSERT_EQ(0, lsmsi(text, self->said, sizeof(self->said)));
	EXPECT_TRUE(has_doorbell(self->said, &d, group)) TH_LOG("%s", self->said);
	EXPECT_EQ(3, lsmsi("0000:ff:1f.7", self->said, sizeof(self->said)));
	EXPECT_STREQ("lsmsi: there is no device 0000:ff:1f.7\n", self->said);
}

/* Is that what lsmsi says of the edu device's domain? */
static bool is_kind(const char *kind)
{
	char said[4096], cells[7][64];

	return !lsmsi(edu_address(), said, sizeof(said)) &&
	       find_row(said, "GROUP", 7, 1, edu_address(), cells) &&
	       !strcmp(cells[4], kind);
}

TEST(kinds)
{
	struct space space;
	struct device edu;

	/* One that never had a driver has no group */
	ASSERT_EQ(0, device_to_vfio(edu_address()));
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
