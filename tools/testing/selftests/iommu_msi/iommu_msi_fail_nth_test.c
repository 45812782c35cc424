// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of an operation fails in turn, or all from that one on, until
 * none is left to fail: what fails leaves everything as it was, and goes well
 * the next time. Needs a kernel with CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC
 * and CONFIG_FAULT_INJECTION_DEBUG_FS, and without KASAN also slab_nomerge on
 * its command line.
 *
 * The environment may have SPARE, one more slab cache that is not to fail:
 * kmalloc-32 where long names in /proc come from it.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "lib/edu.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "backends.h"
#include "sweep.h"

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

static int faults_open(struct machine *m, enum backend backend)
{
	m->fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	m->make_it_fail = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	if (m->fail_nth < 0 || m->make_it_fail < 0)
		return -errno;
	return machine_open(m, backend);
}

static void faults_close(struct machine *m)
{
	machine_close(m);
	close(m->fail_nth);
	close(m->make_it_fail);
	choose_caches("0");
	file_write("0", FAULTS "failslab/probability");
}

#define NO_FAULTS "no fault injection: boot a kernel with FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS"

/* With all after it if the machine says so: what tries again fails then */
static int fail_arm(struct machine *m, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(m->fail_nth, text, strlen(text), 0) < 0)
		return -errno;
	if (m->all && pwrite(m->make_it_fail, "1", 1, 0) < 0)
		return -errno;
	return 0;
}

static int fail_disarm(struct machine *m)
{
	char text[16] = {};

	if (m->all && pwrite(m->make_it_fail, "0", 1, 0) < 0)
		return -errno;
	if (pread(m->fail_nth, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (pwrite(m->fail_nth, "0", 1, 0) < 0)
		return -errno;
	return atoi(text) == 0;
}

static bool window_is(struct machine *m, bool moved, unsigned int used)
{
	struct window w;

	return !window_query(&m->space, &w) && w.used == used &&
	       (w.start == WINDOW) == moved;
}

FIXTURE(sweep)
{
	struct machine m;
};

FIXTURE_OF_BACKENDS(sweep);

FIXTURE_SETUP(sweep)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, faults_open(&self->m, variant->backend));
}

FIXTURE_TEARDOWN(sweep)
{
	faults_close(&self->m);
	EXPECT_TRUE(holds(0));
}

/* --- vectors ------------------------------------------------------------- */

/* Nothing is lost that the full set of vectors would need */
static int full_set(struct machine *m)
{
	return enable_all(m) ?: vectors_off(m);
}

static int full_set_and_one(struct machine *m)
{
	int ret = add_one(m);

	if (!ret && !two_vectors(m))
		ret = -EBADE;
	return ret ?: irqs_off(&m->nvme, MSIX) ?: full_set(m) ?: enable_one(m);
}

TEST_F_TIMEOUT(sweep, enable, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = enable_all, .done = all_vectors,
		.undo = vectors_off, .same = no_vector, .after = full_set,
	};

	sweep(_metadata, &self->m, &step, 10, SWEEP_MAX);
}

TEST_F_TIMEOUT(sweep, add, SECONDS)
{
	const struct step step = {
		.before = enable_one, .call = add_one, .done = two_vectors,
		.undo = enable_one_again, .same = one_vector,
		.after = full_set_and_one,
	};

	sweep(_metadata, &self->m, &step, 3, SWEEP_MAX);
}

/* --- the window ---------------------------------------------------------- */

static bool default_window(struct machine *m) { return window_is(m, false, 0); }
static bool moved_window(struct machine *m) { return window_is(m, true, 0); }

static int move_window(struct machine *m)
{
	return window_set(&m->space, WINDOW, WINDOW_SIZE);
}

static int move_back(struct machine *m)
{
	return window_unset(&m->space, WINDOW, WINDOW_SIZE);
}

TEST_F_TIMEOUT(sweep, window, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = move_window, .done = moved_window,
		.undo = move_back, .same = default_window, .after = full_set,
	};

	sweep(_metadata, &self->m, &step, 1, SWEEP_MAX);
	self->m.all = true;
	sweep(_metadata, &self->m, &step, 1, SWEEP_MAX);
}

static int query_window(struct machine *m)
{
	struct window w;

	return window_query(&m->space, &w);
}

TEST_F_TIMEOUT(sweep, query, SECONDS)
{
	const struct step step = {
		.before = nothing, .call = query_window, .done = default_window,
		.undo = nothing, .same = default_window,
	};

	self->m.all = true;
	sweep(_metadata, &self->m, &step, 1, SWEEP_MAX);
}

/* --- devices come and go ------------------------------------------------- */

static bool edu_is_open(struct machine *m) { return m->edu.bar; }
static bool edu_is_closed(struct machine *m) { return !m->edu.bar && holds(0); }

static int close_edu(struct machine *m)
{
	device_close(&m->edu);
	return 0;
}

static int open_edu(struct machine *m)
{
	int ret = edu_open(&m->edu, &m->space);

	if (ret)
		device_close(&m->edu);
	return ret;
}

/* Beside another device that keeps its own vectors */
TEST_F_TIMEOUT(sweep, attach, SECONDS)
{
	const struct step step = {
		.before = close_edu, .call = open_edu, .done = edu_is_open,
		.undo = close_edu, .same = edu_is_closed, .after = full_set,
	};

	sweep(_metadata, &self->m, &step, 5, SWEEP_MAX);
}

static int open_all(struct machine *m)
{
	int ret = space_open(&m->space, m->space.backend) ?:
		  device_open(&m->nvme, &m->space, NVME);

	if (ret) {
		device_close(&m->nvme);
		space_close(&m->space);
	}
	return ret;
}

static int close_all(struct machine *m)
{
	device_close(&m->nvme);
	device_close(&m->edu);
	space_close(&m->space);
	return 0;
}

static int open_enable_close(struct machine *m)
{
	return open_all(m) ?: full_set(m) ?: close_all(m);
}

TEST_F_TIMEOUT(sweep, open, SECONDS)
{
	const struct step step = {
		.before = close_all, .call = open_all, .done = no_vector,
		.undo = close_all, .same = no_vector,
		.after = open_enable_close,
	};

	sweep(_metadata, &self->m, &step, 10, SWEEP_MAX);
	ASSERT_EQ(0, open_all(&self->m));
}

/* --- replacement of a domain under a live MSI ---------------------------- */

static bool edu_stays(struct machine *m)
{
	return edu_works(m) && window_is(m, false, 1);
}

static bool edu_went(struct machine *m)
{
	return edu_works(m) && window_is(m, false, 0);
}

FIXTURE(replacement)
{
	struct machine m;
};

FIXTURE_SETUP(replacement)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, faults_open(&self->m, IOMMUFD));
}

FIXTURE_TEARDOWN(replacement)
{
	faults_close(&self->m);
	EXPECT_TRUE(holds(0));
}

TEST_F_TIMEOUT(replacement, live_msi, SECONDS)
{
	const struct step step = {
		.before = edu_live, .call = replace, .done = edu_went,
		.undo = replace_back, .same = edu_stays,
	};

	sweep(_metadata, &self->m, &step, 5, SWEEP_MAX);
	ASSERT_EQ(0, irqs_off(&self->m.edu, MSI));
}

TEST_HARNESS_MAIN
