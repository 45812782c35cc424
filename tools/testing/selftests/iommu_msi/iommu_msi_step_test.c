// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each step of preparing an interrupt fails in turn, by the functions that
 * make them. What failed leaves no event, no SPI, no reference and no page of
 * the window behind: all vectors can be had again. Needs test_modules/msi_step.ko
 * next to the program, in a kernel with CONFIG_KPROBES.
 *
 * The environment is that of fail_each.h, and may have BIG, the address of a disk
 * with more vectors than a GICv2m has SPIs.
 */
#define _GNU_SOURCE
#include "lib/events.h"
#include "lib/module.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "kselftest_harness.h"
#include "fail_each.h"

#define BIG		(getenv("BIG") ?: "0000:00:03.0")
#define MANY		80	/* vectors: a GICv2m has 64 SPIs */
#define NTH		"/sys/module/msi_step/parameters/nth"
#define OLD		0x8000000ULL	/* default window, 1 MiB */
#define SECONDS		600

static struct device big;
static int many[MANY], at_first;

static int fail_arm(struct testbed *bed, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return file_write(text, NTH);
}

static int fail_disarm(struct testbed *bed)
{
	int left = file_number(NTH);

	return left < 0 ? left : file_write("0", NTH) ?: !left;
}

/* From now on @function can be made to fail, and returns @returns then */
static int let_fail(const char *function, long returns)
{
	char options[128];

	module_unload("msi_step");
	snprintf(options, sizeof(options), "function=%s returns=%ld process=%d",
		 function, returns, getpid());
	return module_load("msi_step", options);
}

/* 0 if the MSI controller has as many as are wanted, or how many it has */
static int vectors_to_have(void)
{
	int ret = irqs_set(&big, MSIX, 0, MANY, many);

	return ret ?: irqs_off(&big, MSIX);
}

/*
 * An ITS has as many events for a device as the device has vectors, here a
 * power of two: one that was lost is missing now. A GICv2m has SPIs for all
 * devices: there must be as many as there were.
 */
static int nothing_lost(struct testbed *bed)
{
	uint32_t count;
	bool dynamic;
	int ret;

	ret = irqs_info(&bed->nvme, MSIX, &count, &dynamic);
	if (ret)
		return ret;
	if (count > MANY || count & (count - 1))
		return -EDOM;
	ret = irqs_set(&bed->nvme, MSIX, 0, count, many) ?: irqs_off(&bed->nvme, MSIX);
	if (ret || !at_first)
		return ret;
	return vectors_to_have() == at_first ? 0 : -ENOSPC;
}

static int nothing_lost_but_one(struct testbed *bed)
{
	return vectors_off(bed) ?: nothing_lost(bed) ?: enable_one(bed);
}

static int steps_open(struct testbed *bed, enum backend backend)
{
	int ret;

	ret = events_open(many, MANY) ?: testbed_open(bed, backend) ?:
	      device_to_vfio(BIG) ?: device_open(&big, &bed->space, BIG);
	if (ret)
		return ret;
	at_first = vectors_to_have();
	return at_first < 0 ? at_first : 0;
}

static void steps_close(struct testbed *bed)
{
	module_unload("msi_step");
	device_close(&big);
	testbed_close(bed);
}

#define NO_PROBES "no kprobes: boot a kernel with KPROBES"

/*
 * PCI turns what an irqchip says into -ENOSPC, or into the number of vectors
 * that could be had, and VFIO hands that on.
 */
static bool says_why(int error)
{
	return error == -ENOSPC || error == -ENOMEM || error > 0;
}

FIXTURE(step)
{
	struct testbed bed;
};

FIXTURE_VARIANT(step)
{
	enum backend backend;
	const char *function;
	long returns;
	bool once;	/* for all vectors together, not for each */
};

#define STEP(name, ...)							\
	FIXTURE_VARIANT_ADD(step, type1_##name)				\
		{ .backend = TYPE1, __VA_ARGS__ };			\
	FIXTURE_VARIANT_ADD(step, iommufd_##name)			\
		{ .backend = IOMMUFD, __VA_ARGS__ }

/* A place for the descriptor of a vector, and for what VFIO knows of it */
STEP(descriptor, .function = "__xa_insert", .returns = -ENOMEM);
/* The interrupt's number, descriptor and hierarchy */
STEP(number, .function = "__irq_domain_alloc_irqs", .returns = -ENOMEM);
/* The event or SPI: none is free */
STEP(event, .function = "bitmap_find_next_zero_area_off", .returns = -1);
STEP(doorbell, .function = "iommu_dma_prepare_msi", .returns = -ENOMEM);
STEP(page_table, .function = "iommu_map", .returns = -ENOMEM, .once = true);
/* The controller's, and that of the GIC behind it */
STEP(parent, .function = "irq_domain_alloc_irqs_parent", .returns = -ENOMEM);
STEP(activation, .function = "irq_domain_activate_irq", .returns = -ENOSPC);
STEP(handler, .function = "request_threaded_irq", .returns = -ENOMEM);

FIXTURE_SETUP(step)
{
	int ret = let_fail(variant->function, variant->returns);

	if (ret == -EOPNOTSUPP)
		SKIP(return, NO_PROBES);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, steps_open(&self->bed, variant->backend));
}

FIXTURE_TEARDOWN(step)
{
	steps_close(&self->bed);
	EXPECT_TRUE(holds(0));
}

TEST_F_TIMEOUT(step, enable, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = enable_all, .done = all_vectors,
		.undo = vectors_off, .same = no_vector, .after = nothing_lost,
		.says = says_why,
	};

	fail_each(_metadata, &self->bed, &step, variant->once ? 1 : self->bed.vectors,
		  variant->once ? 1 : FAIL_MAX);
}

TEST_F_TIMEOUT(step, add, SECONDS)
{
	const struct step step = {
		.before = enable_one, .call = add_one, .done = two_vectors,
		.undo = enable_one_again, .same = one_vector,
		.after = nothing_lost_but_one, .says = says_why,
	};
	uint32_t count;
	bool dynamic;

	ASSERT_EQ(0, irqs_info(&self->bed.nvme, MSIX, &count, &dynamic));
	if (!dynamic)
		SKIP(return, "the MSI controller cannot add vectors");
	/* What is done once, for the first vector, is not done again */
	fail_each(_metadata, &self->bed, &step, variant->once ? 0 : 1,
		  variant->once ? 0 : FAIL_MAX);
}

/* --- replacement of a domain --------------------------------------------- */

FIXTURE(replacement)
{
	struct testbed bed;
	void *memory;
	uint32_t hwpt;
};

FIXTURE_SETUP(replacement)
{
	self->memory = memory_new(MIB);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, steps_open(&self->bed, IOMMUFD));
	ASSERT_EQ(0, edu_live(&self->bed));
}

FIXTURE_TEARDOWN(replacement)
{
	steps_close(&self->bed);
	EXPECT_TRUE(holds(0));
}

static bool says_no_memory(int error) { return error == -ENOMEM; }

TEST_F_TIMEOUT(replacement, page_table, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = replace, .done = edu_works,
		.undo = replace_back, .same = edu_works,
		.says = says_no_memory,
	};

	ASSERT_EQ(0, let_fail("iommu_map", -ENOMEM));
	fail_each(_metadata, &self->bed, &step, 1, FAIL_MAX);
}

/* The window stays out of the user's hands, whatever fails within its IOAS */
TEST_F(replacement, reservation)
{
	struct ranges ranges;

	/* They reserve the same */
	device_close(&self->bed.nvme);
	device_close(&big);
	ASSERT_EQ(0, device_add_hwpt(&self->bed.edu, &self->hwpt));
	ASSERT_EQ(0, let_fail("iommu_replace_group_handle", -ENOMEM));
	ASSERT_EQ(0, fail_arm(&self->bed, 1));
	EXPECT_EQ(-ENOMEM, device_replace(&self->bed.edu, self->hwpt));
	ASSERT_EQ(1, fail_disarm(&self->bed));
	ASSERT_EQ(0, space_ranges(&self->bed.space, &ranges));
	EXPECT_FALSE(ranges_hold(&ranges, OLD, OLD + MIB - 1));
	EXPECT_EQ(-EINVAL, space_map(&self->bed.space, self->memory, OLD, MIB));
	EXPECT_TRUE(edu_works(&self->bed));
	EXPECT_EQ(0, device_replace(&self->bed.edu, self->hwpt));
	EXPECT_EQ(-EINVAL, space_map(&self->bed.space, self->memory, OLD, MIB));
	EXPECT_TRUE(edu_works(&self->bed));
}

/* Is the window free in the space, as long as nobody has come there? */
static bool window_is_free(struct space *space, void *memory)
{
	struct window window;
	struct ranges ranges;

	return !window_query(space, &window) && window.start > window.last &&
	       !space_ranges(space, &ranges) &&
	       ranges_hold(&ranges, OLD, OLD + MIB - 1) &&
	       !space_map(space, memory, OLD, MIB) && !space_unmap(space, OLD, MIB);
}

/* A domain that nobody came to has no window, and no reservation of one, in its IOAS */
TEST_F(replacement, reservation_elsewhere)
{
	struct device *edu = &self->bed.edu;
	struct space there = self->bed.space;

	there.ioas = self->bed.ioas;
	edu->space = &there;
	ASSERT_EQ(0, device_add_hwpt(edu, &self->hwpt));
	edu->space = &self->bed.space;
	ASSERT_TRUE(window_is_free(&there, self->memory));
	ASSERT_EQ(0, let_fail("iommu_replace_group_handle", -ENOMEM));
	ASSERT_EQ(0, fail_arm(&self->bed, 1));
	EXPECT_EQ(-ENOMEM, device_replace(edu, self->hwpt));
	ASSERT_EQ(1, fail_disarm(&self->bed));
	EXPECT_TRUE(window_is_free(&there, self->memory));
	EXPECT_TRUE(edu_works(&self->bed));

	/* The same when it comes from nowhere */
	ASSERT_EQ(0, let_fail("iommu_attach_group_handle", -ENOMEM));
	ASSERT_EQ(0, device_detach(edu));
	ASSERT_EQ(0, fail_arm(&self->bed, 1));
	EXPECT_EQ(-ENOMEM, device_replace(edu, self->hwpt));
	ASSERT_EQ(1, fail_disarm(&self->bed));
	EXPECT_TRUE(window_is_free(&there, self->memory));

	ASSERT_EQ(0, device_replace(edu, self->hwpt));
	EXPECT_EQ(-EINVAL, space_map(&there, self->memory, OLD, MIB));
	EXPECT_TRUE(edu_works(&self->bed));

	/* From there on the domain has it, whoever else does not come */
	ASSERT_EQ(0, let_fail("iommu_replace_group_handle", -ENOMEM));
	ASSERT_EQ(0, fail_arm(&self->bed, 1));
	EXPECT_EQ(-ENOMEM, device_replace(&self->bed.nvme, self->hwpt));
	ASSERT_EQ(1, fail_disarm(&self->bed));
	EXPECT_EQ(-EINVAL, space_map(&there, self->memory, OLD, MIB));
	EXPECT_TRUE(edu_works(&self->bed));
}

TEST_HARNESS_MAIN
