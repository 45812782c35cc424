// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group of two devices, of which firmware reserves something for one, right where
 * the default window is: that of the group is elsewhere, whichever device comes first.
 * And a device of another group that has the default window.
 *
 * See GROUP_RESERVED in scripts/selftests.sh for the machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/module.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "lib/workers.h"
#include "backends.h"

#define OLD		0x8000000ULL	/* default window, whose first page is reserved */
#define NEW		(OLD + MIB)
#define NTH		"/sys/module/msi_step/parameters/nth"

enum { FREE, BOUND, ALONE, DEVICES };

static const char * const address[DEVICES] = {
	[FREE] = "0000:00:05.0",
	[BOUND] = "0000:00:05.1",
	[ALONE] = "0000:00:02.0",
};

FIXTURE(group)
{
	struct space space;
	struct device dev[DEVICES];
	int eventfd[DEVICES];
};

FIXTURE_VARIANT(group)
{
	enum backend backend;
	int first, last;	/* of the group, in the order of attaching */
};

/* With type1 a group is attached as one, by any of its devices */
FIXTURE_VARIANT_ADD(group, type1_free) { TYPE1, FREE, FREE };
FIXTURE_VARIANT_ADD(group, type1_bound) { TYPE1, BOUND, BOUND };
FIXTURE_VARIANT_ADD(group, iommufd_free_first) { IOMMUFD, FREE, BOUND };
FIXTURE_VARIANT_ADD(group, iommufd_bound_first) { IOMMUFD, BOUND, FREE };

static bool one_group(void)
{
	char path[DEVICES][128];
	int i;

	for (i = 0; i < DEVICES; i++)
		if (device_group(address[i], path[i], sizeof(path[i])))
			return false;
	return !strcmp(path[FREE], path[BOUND]) && strcmp(path[FREE], path[ALONE]);
}

static int all_open(struct space *space, enum backend backend, struct device *dev, int *eventfd)
{
	int i, ret;

	for (i = 0; i < DEVICES; i++) {
		dev[i] = (struct device) { .fd = -1, .group = -1 };
		eventfd[i] = event_new();
		ret = eventfd[i] < 0 ? eventfd[i] : device_to_vfio(address[i]);
		if (ret)
			return ret;
	}
	return one_group() ? space_open(space, backend) : -ENODEV;
}

static void all_close(struct space *space, struct device *dev, int *eventfd)
{
	int i;

	for (i = 0; i < DEVICES; i++) {
		device_close(&dev[i]);
		close(eventfd[i]);
	}
	space_close(space);
}

FIXTURE_SETUP(group)
{
	ASSERT_EQ(0, all_open(&self->space, variant->backend, self->dev, self->eventfd));
}

FIXTURE_TEARDOWN(group)
{
	all_close(&self->space, self->dev, self->eventfd);
	EXPECT_TRUE(nothing_left("group"));
}

/* Of any fixture */
#define start(self, which)						\
	(device_start(&(self)->dev[which], &(self)->space, address[which]) ?: \
	 irqs_set(&(self)->dev[which], MSI, 0, 1, &(self)->eventfd[which]))
#define fire(self, which)						\
	edu_fire(&(self)->dev[which], (self)->eventfd[which], 5)

/* How many doorbells are in @start to @last, or -1 if there are not @count */
static int doorbells_in(int count, uint64_t start, uint64_t last)
{
	struct doorbells d;
	int i, n = 0;

	if (doorbells_read(&d) || d.count != count)
		return -1;
	for (i = 0; i < d.count; i++)
		n += d.at[i].iova >= start && d.at[i].iova + d.at[i].size - 1 <= last;
	return n;
}

/* The group is alone. That the devices have different windows suggested takes both. */
TEST_F(group, whole)
{
	struct ranges ranges;

	ASSERT_EQ(0, start(self, variant->first));
	EXPECT_EQ(5, fire(self, variant->first));
	if (variant->last != variant->first) {
		ASSERT_EQ(0, start(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->first));
	}
	EXPECT_EQ(1, doorbells_in(1, NEW, NEW + MIB - 1));
	ASSERT_EQ(0, space_ranges(&self->space, &ranges));
	EXPECT_TRUE(ranges_hold(&ranges, 0, OLD - 1));
	EXPECT_TRUE(ranges_hold(&ranges, NEW + MIB, NEW + 2 * MIB));
	EXPECT_FALSE(ranges_hold(&ranges, OLD, OLD));
	EXPECT_FALSE(ranges_hold(&ranges, NEW, NEW));

	if (variant->last != variant->first) {
		device_close(&self->dev[variant->first]);
		EXPECT_EQ(5, fire(self, variant->last));
	}
}

/* Where a device has its registers, of 1 MiB, by PCI's own address; or 0 */
static uint64_t registers_of(int which)
{
	unsigned long long first = 0;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", address[which]);
	file = fopen(path, "re");
	if (file && fscanf(file, "%llx", &first) != 1)
		first = 0;
	if (file)
		fclose(file);
	return first;
}

/*
 * Nobody looks whether a window is where the host bridge has another device. What a
 * device writes goes to the IOMMU first, or it would be in a group with that one.
 */
TEST_F(group, over_a_device)
{
	uint64_t first = registers_of(ALONE);

	ASSERT_NE(0, first);
	ASSERT_EQ(0, device_start(&self->dev[variant->first], &self->space,
				  address[variant->first]));
	ASSERT_EQ(0, window_set(&self->space, first, MIB));
	ASSERT_EQ(0, irqs_set(&self->dev[variant->first], MSI, 0, 1,
			      &self->eventfd[variant->first]));
	EXPECT_EQ(1, doorbells_in(1, first, first + MIB - 1));
	EXPECT_EQ(5, fire(self, variant->first));
}

/* What another group has does not do for this one: a domain of its own */
TEST_F(group, own_domain)
{
	ASSERT_EQ(0, start(self, ALONE));
	EXPECT_EQ(5, fire(self, ALONE));
	EXPECT_EQ(1, doorbells_in(1, OLD, OLD + MIB - 1));
	ASSERT_EQ(0, start(self, variant->first));
	EXPECT_EQ(5, fire(self, variant->first));
	if (variant->last != variant->first) {
		ASSERT_EQ(0, start(self, variant->last));
		EXPECT_EQ(5, fire(self, variant->last));
	}
	EXPECT_EQ(1, doorbells_in(2, OLD, OLD + MIB - 1));
	EXPECT_EQ(1, doorbells_in(2, NEW, NEW + MIB - 1));
	EXPECT_EQ(5, fire(self, ALONE));

	device_close(&self->dev[ALONE]);
	EXPECT_EQ(1, doorbells_in(1, NEW, NEW + MIB - 1));
	EXPECT_EQ(5, fire(self, variant->first));
}

static void say_nothing(time_t seconds)
{
}

/* --- one leaves it while the other moves ---------------------------------- */

/* By iommufd: with type1 none of a group does either */
FIXTURE(moving)
{
	struct space space;
	struct device dev[DEVICES];
	int eventfd[DEVICES];
};

FIXTURE_VARIANT(moving)
{
	int first, last;
};

FIXTURE_VARIANT_ADD(moving, free_first) { FREE, BOUND };
FIXTURE_VARIANT_ADD(moving, bound_first) { BOUND, FREE };

FIXTURE_SETUP(moving)
{
	ASSERT_EQ(0, all_open(&self->space, IOMMUFD, self->dev, self->eventfd));
}

FIXTURE_TEARDOWN(moving)
{
	all_close(&self->space, self->dev, self->eventfd);
	EXPECT_TRUE(nothing_left("moving"));
}

/* One of the group comes and goes while the other takes it from domain to domain */
TEST_F_TIMEOUT(moving, detached, 120)
{
	struct device *goes = &self->dev[variant->first], *stays = &self->dev[variant->last];
	struct crew crew = { .program = "detached", .patience = paced(60),
			     .progress = say_nothing };
	uint32_t ioas[2] = { self->space.ioas };
	int moves = atoi(getenv("MOVES") ?: "500"), i;
	struct worker *workers;

	workers = memory_new(2 * sizeof(*workers));
	ASSERT_NE(NULL, workers);
	ASSERT_EQ(0, device_start(goes, &self->space, address[variant->first]));
	ASSERT_EQ(0, device_start(stays, &self->space, address[variant->last]));
	ASSERT_EQ(0, space_add_ioas(&self->space, &ioas[1]));
	if (worker_start(&crew, &workers[0], "comes and goes")) {
		for (i = 0; i < moves; i++, workers[0].steps++) {
			if (device_detach(goes))
				_exit(1);
			/* To where the other one is just now */
			while (device_replace(goes, ioas[0]) && device_replace(goes, ioas[1]))
				;
		}
		_exit(0);
	}
	if (worker_start(&crew, &workers[1], "stays")) {
		for (i = 0; i < moves; i++, workers[1].steps++)
			if (device_replace(stays, ioas[i % 2]))
				_exit(1);
		_exit(0);
	}
	EXPECT_TRUE(crew_wait(&crew));
	munmap(workers, 2 * sizeof(*workers));
}

/* --- one of its devices refuses to be attached ---------------------------- */

#define SHARED		0x20000000ULL	/* a window that suits all of them */

/* An SMMUv3 needs that function where it may fail, and not for nobody's domain */
static int refusing_load(void)
{
	char options[128];

	snprintf(options, sizeof(options), "function=arm_smmu_alloc_cd_ptr returns=0 process=%d",
		 getpid());
	return module_load("msi_step", options);
}

/* With one of another group, whose window suits all of them */
static int refusing_open(struct space *space, enum backend backend, struct device *dev,
			 int *eventfd)
{
	struct device *alone = &dev[ALONE];

	return all_open(space, backend, dev, eventfd) ?:
	       device_start(alone, space, address[ALONE]) ?:
	       window_set(space, SHARED, MIB) ?:
	       irqs_set(alone, MSI, 0, 1, &eventfd[ALONE]);
}

static void refusing_close(struct space *space, struct device *dev, int *eventfd)
{
	module_unload("msi_step");
	all_close(space, dev, eventfd);
}

FIXTURE(refused)
{
	struct space space;
	struct device dev[DEVICES];
	int eventfd[DEVICES];
};

FIXTURE_OF_BACKENDS(refused);

FIXTURE_SETUP(refused)
{
	int ret = refusing_load();

	if (ret == -EOPNOTSUPP)
		SKIP(return, "no kprobes: boot a kernel with KPROBES");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, refusing_open(&self->space, variant->backend, self->dev, self->eventfd));
}

FIXTURE_TEARDOWN(refused)
{
	refusing_close(&self->space, self->dev, self->eventfd);
	EXPECT_TRUE(nothing_left("refused"));
}

/* The @n-th device to be put into a domain, from now on, refuses */
static int refuse(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return file_write(text, NTH);
}

/*
 * With FIRST_REFUSES in the environment the second of the group does not: an SMMUv3's
 * driver, also that of the base, loses memory of the first one's attach then.
 */
static int refusers(void)
{
	return getenv("FIRST_REFUSES") ? 1 : 2;
}

/* Whether one has, or a negative errno; none does any more */
static int has_refused(void)
{
	int left = file_number(NTH);

	return left < 0 ? left : file_write("0", NTH) ?: !left;
}

/* The doorbell of who was there before the group came, and did not */
TEST_F(refused, joins)
{
	int n, ret, refused = 1, failures = 0;

	for (n = 1; refused; n += 3 - refusers()) {
		ASSERT_EQ(0, refuse(n));
		ret = device_start(&self->dev[FREE], &self->space, address[FREE]);
		refused = has_refused();
		ASSERT_LE(0, refused);
		EXPECT_EQ(5, fire(self, ALONE)) TH_LOG("refusal %d: %d", n, ret);
		EXPECT_EQ(1, doorbells_in(1, SHARED, SHARED + MIB - 1));
		if (ret) {
			ASSERT_EQ(-ENOMEM, ret);
			failures++;
			continue;
		}
		ASSERT_EQ(0, irqs_set(&self->dev[FREE], MSI, 0, 1, &self->eventfd[FREE]));
		EXPECT_EQ(5, fire(self, FREE)) TH_LOG("refusal %d", n);
		EXPECT_EQ(5, fire(self, ALONE));
		device_close(&self->dev[FREE]);
	}
	/* Each of the two at least once */
	EXPECT_LE(refusers(), failures);
}

/* By iommufd: with type1 no domain is replaced */
FIXTURE(refused_move)
{
	struct space space;
	struct device dev[DEVICES];
	int eventfd[DEVICES];
};

FIXTURE_SETUP(refused_move)
{
	int ret = refusing_load();

	if (ret == -EOPNOTSUPP)
		SKIP(return, "no kprobes: boot a kernel with KPROBES");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, refusing_open(&self->space, IOMMUFD, self->dev, self->eventfd));
}

FIXTURE_TEARDOWN(refused_move)
{
	refusing_close(&self->space, self->dev, self->eventfd);
	EXPECT_TRUE(nothing_left("refused_move"));
}

/* Those of the group stay where they are, whichever device it was */
TEST_F(refused_move, replaced)
{
	struct space other = self->space;
	int n, ret, refused = 1, failures = 0;

	ASSERT_EQ(0, start(self, FREE));
	ASSERT_EQ(0, start(self, BOUND));
	ASSERT_EQ(0, space_add_ioas(&self->space, &other.ioas));
	ASSERT_EQ(0, window_set(&other, SHARED, MIB));
	for (n = 1; refused; n += 3 - refusers()) {
		ASSERT_EQ(0, refuse(n));
		ret = device_replace(&self->dev[BOUND], other.ioas);
		refused = has_refused();
		ASSERT_LE(0, refused);
		ASSERT_EQ(refused ? -ENOMEM : 0, ret);
		failures += refused;
		EXPECT_EQ(refused ? 1 : 2,
			  doorbells_in(refused ? 1 : 2, SHARED, SHARED + MIB - 1));
		EXPECT_EQ(5, fire(self, FREE)) TH_LOG("refusal %d", n);
		EXPECT_EQ(5, fire(self, BOUND)) TH_LOG("refusal %d", n);
		EXPECT_EQ(5, fire(self, ALONE)) TH_LOG("refusal %d", n);
	}
	EXPECT_EQ(refusers(), failures);
}

TEST_HARNESS_MAIN
