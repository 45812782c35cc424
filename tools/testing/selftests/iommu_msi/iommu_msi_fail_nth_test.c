// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of an operation fails in turn, or all from that one on, until
 * none is left to fail: what fails leaves everything as it was, and goes well
 * the next time. Needs a kernel with CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC
 * and CONFIG_FAULT_INJECTION_DEBUG_FS, and without KASAN also slab_nomerge on
 * its command line.
 *
 * The environment may have SPARE, one more slab cache that is not to fail:
 * kmalloc-32 where long names in /proc come from it. The fixture vhost has another
 * machine: see VDPA_DEVICE in scripts/selftests.sh.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "lib/edu.h"
#include "lib/sys.h"
#include "lib/vdpa.h"
#include "lib/window.h"
#include "backends.h"
#include "fail_each.h"

#define FAULTS		"/sys/kernel/debug/"
#define CACHES		"/sys/kernel/slab"
#define SECONDS		600
#define WINDOW		0x10000000ULL
#define WINDOW_SIZE	0x100000ULL

/*
 * All caches but that of procfs: the irq core warns when it takes away a
 * directory that it could not make.
 */
static int choose_caches(const char *value)
{
	struct dirent *entry;
	int chosen = 0;
	DIR *dir;

	dir = opendir(CACHES);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !strcmp(entry->d_name, "proc_dir_entry") ||
		    !strcmp(entry->d_name, getenv("SPARE") ?: ""))
			continue;
		chosen += !file_write(value, CACHES "/%s/failslab", entry->d_name);
	}
	closedir(dir);
	return chosen ? 0 : -ENOENT;
}

static int faults_setup(void)
{
	/* Allocations that may sleep, and single pages, are to fail, too */
	return file_write("Y", FAULTS "failslab/task-filter") ?:
	       file_write("-1", FAULTS "failslab/times") ?:
	       file_write("100", FAULTS "failslab/probability") ?:
	       file_write("N", FAULTS "failslab/ignore-gfp-wait") ?:
	       file_write("Y", FAULTS "failslab/cache-filter") ?:
	       file_write("N", FAULTS "fail_page_alloc/ignore-gfp-wait") ?:
	       file_write("0", FAULTS "fail_page_alloc/min-order") ?:
	       choose_caches("1");
}

static int faults_open(struct testbed *bed)
{
	bed->fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	bed->make_it_fail = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	return bed->fail_nth < 0 || bed->make_it_fail < 0 ? -errno : 0;
}

static void faults_close(struct testbed *bed)
{
	close(bed->fail_nth);
	close(bed->make_it_fail);
	choose_caches("0");
	file_write("0", FAULTS "failslab/probability");
}

#define NO_FAULTS "no fault injection: boot a kernel with FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS"

/* If the testbed says so, all later ones fail, too: then trying again does not help */
static int fail_arm(struct testbed *bed, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(bed->fail_nth, text, strlen(text), 0) < 0)
		return -errno;
	if (bed->and_later && pwrite(bed->make_it_fail, "1", 1, 0) < 0)
		return -errno;
	return 0;
}

static int fail_disarm(struct testbed *bed)
{
	char text[16] = {};

	if (bed->and_later && pwrite(bed->make_it_fail, "0", 1, 0) < 0)
		return -errno;
	if (pread(bed->fail_nth, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (pwrite(bed->fail_nth, "0", 1, 0) < 0)
		return -errno;
	return atoi(text) == 0;
}

static bool window_is(struct testbed *bed, bool moved, unsigned int used)
{
	struct window w;

	return !window_query(&bed->space, &w) && w.used == used &&
	       (w.start == WINDOW) == moved;
}

FIXTURE(sweep)
{
	struct testbed bed;
};

FIXTURE_OF_BACKENDS(sweep);

FIXTURE_SETUP(sweep)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, faults_open(&self->bed));
	ASSERT_EQ(0, testbed_open(&self->bed, variant->backend));
}

FIXTURE_TEARDOWN(sweep)
{
	testbed_close(&self->bed);
	faults_close(&self->bed);
	EXPECT_TRUE(holds(0));
}

/* --- vectors ------------------------------------------------------------- */

/* Nothing is lost that the full set of vectors would need */
static int full_set(struct testbed *bed)
{
	return enable_all(bed) ?: vectors_off(bed);
}

static int full_set_and_one(struct testbed *bed)
{
	int ret = add_one(bed);

	if (!ret && !two_vectors(bed))
		ret = -EBADE;
	return ret ?: irqs_off(&bed->nvme, MSIX) ?: full_set(bed) ?: enable_one(bed);
}

TEST_F_TIMEOUT(sweep, enable, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = enable_all, .done = all_vectors,
		.undo = vectors_off, .same = no_vector, .after = full_set,
	};

	fail_each(_metadata, &self->bed, &step, 10, FAIL_MAX);
}

TEST_F_TIMEOUT(sweep, add, SECONDS)
{
	const struct step step = {
		.before = enable_one, .call = add_one, .done = two_vectors,
		.undo = enable_one_again, .same = one_vector,
		.after = full_set_and_one,
	};

	fail_each(_metadata, &self->bed, &step, 3, FAIL_MAX);
}

/* --- the window ---------------------------------------------------------- */

static bool default_window(struct testbed *bed) { return window_is(bed, false, 0); }
static bool moved_window(struct testbed *bed) { return window_is(bed, true, 0); }

static int move_window(struct testbed *bed)
{
	return window_set(&bed->space, WINDOW, WINDOW_SIZE);
}

static int move_back(struct testbed *bed)
{
	return window_unset(&bed->space, WINDOW, WINDOW_SIZE);
}

TEST_F_TIMEOUT(sweep, window, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = move_window, .done = moved_window,
		.undo = move_back, .same = default_window, .after = full_set,
	};

	fail_each(_metadata, &self->bed, &step, 1, FAIL_MAX);
	self->bed.and_later = true;
	fail_each(_metadata, &self->bed, &step, 1, FAIL_MAX);
}

static int query_window(struct testbed *bed)
{
	struct window w;

	return window_query(&bed->space, &w);
}

TEST_F_TIMEOUT(sweep, query, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = query_window, .done = default_window,
		.undo = nothing, .same = default_window,
	};

	/* iommufd needs no memory that it cannot do without */
	self->bed.and_later = true;
	fail_each(_metadata, &self->bed, &step, variant->backend == TYPE1, FAIL_MAX);
}

/* --- devices come and go ------------------------------------------------- */

static bool edu_is_open(struct testbed *bed) { return bed->edu.bar; }
static bool edu_is_closed(struct testbed *bed) { return !bed->edu.bar && holds(0); }

static int close_edu(struct testbed *bed)
{
	device_close(&bed->edu);
	return 0;
}

static int open_edu(struct testbed *bed)
{
	int ret = edu_open(&bed->edu, &bed->space);

	if (ret)
		device_close(&bed->edu);
	return ret;
}

/* Beside another device that keeps its own vectors */
TEST_F_TIMEOUT(sweep, attach, SECONDS)
{
	const struct step step = {
		.before = close_edu, .call = open_edu, .done = edu_is_open,
		.undo = close_edu, .same = edu_is_closed, .after = full_set,
	};

	fail_each(_metadata, &self->bed, &step, 5, FAIL_MAX);
}

static int open_all(struct testbed *bed)
{
	int ret = space_open(&bed->space, bed->space.backend) ?:
		  device_open(&bed->nvme, &bed->space, NVME);

	if (ret) {
		device_close(&bed->nvme);
		space_close(&bed->space);
	}
	return ret;
}

static int close_all(struct testbed *bed)
{
	device_close(&bed->nvme);
	device_close(&bed->edu);
	space_close(&bed->space);
	return 0;
}

static int open_enable_close(struct testbed *bed)
{
	return open_all(bed) ?: full_set(bed) ?: close_all(bed);
}

TEST_F_TIMEOUT(sweep, open, SECONDS)
{
	const struct step step = {
		.before = close_all, .call = open_all, .done = no_vector,
		.undo = close_all, .same = no_vector,
		.after = open_enable_close,
	};

	fail_each(_metadata, &self->bed, &step, 10, FAIL_MAX);
	ASSERT_EQ(0, open_all(&self->bed));
}

/* --- replacement of a domain under a live MSI ---------------------------- */

static bool edu_stays(struct testbed *bed)
{
	return edu_works(bed) && window_is(bed, false, 1);
}

static bool edu_went(struct testbed *bed)
{
	return edu_works(bed) && window_is(bed, false, 0);
}

FIXTURE(replacement)
{
	struct testbed bed;
};

FIXTURE_SETUP(replacement)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, faults_open(&self->bed));
	ASSERT_EQ(0, testbed_open(&self->bed, IOMMUFD));
}

FIXTURE_TEARDOWN(replacement)
{
	testbed_close(&self->bed);
	faults_close(&self->bed);
	EXPECT_TRUE(holds(0));
}

TEST_F_TIMEOUT(replacement, live_msi, SECONDS)
{
	const struct step step = {
		.before = edu_live, .call = replace, .done = edu_went,
		.undo = replace_back, .same = edu_stays,
	};

	fail_each(_metadata, &self->bed, &step, 5, FAIL_MAX);
	ASSERT_EQ(0, irqs_off(&self->bed.edu, MSI));
}

/* --- a device that vhost-vdpa owns ---------------------------------------- */

FIXTURE(vhost)
{
	struct testbed bed;
};

FIXTURE_SETUP(vhost)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, faults_open(&self->bed));
	ASSERT_EQ(0, vdpa_add(vdpa_address()));
}

FIXTURE_TEARDOWN(vhost)
{
	faults_close(&self->bed);
	EXPECT_TRUE(holds(0));
}

static struct vdpa vdpa;

static int open_vdpa(struct testbed *bed) { return vdpa_open(&vdpa); }

static int close_vdpa(struct testbed *bed)
{
	vdpa_close(&vdpa);
	return 0;
}

/* With a window, and the doorbell in it: interrupts arrive */
static bool vdpa_works(struct testbed *bed)
{
	return !vdpa_start(&vdpa, WINDOW) && !vdpa_exchange(&vdpa) &&
	       event_wait(vdpa.call[VDPA_RECEIVE], 1000) == 1 &&
	       doorbells_count() == 1;
}

static int open_work_close(struct testbed *bed)
{
	int ret = open_vdpa(bed);

	if (ret)
		return ret;
	ret = vdpa_works(bed) ? 0 : -EBADE;
	return close_vdpa(bed) ?: ret;
}

/* What was done before the window could not be set is undone, too */
TEST_F_TIMEOUT(vhost, open, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = open_vdpa, .done = vdpa_works,
		.undo = close_vdpa, .same = no_vector, .after = open_work_close,
	};

	fail_each(_metadata, &self->bed, &step, 10, FAIL_MAX);
}

TEST_HARNESS_MAIN
