// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of an operation fails in turn, until none is left to fail:
 * what fails leaves everything as it was, and goes well the next time. Needs a
 * kernel with CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and
 * CONFIG_FAULT_INJECTION_DEBUG_FS.
 *
 * The environment may have NVME, the address of an NVMe disk with a few
 * vectors; EDU; and VECTORS, how many of them it is given.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "edu_util.h"
#include "window_util.h"
#include "kselftest_harness.h"

#define FAULTS		"/sys/kernel/debug/"
#define CACHES		"/sys/kernel/slab"
#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define NVME		(getenv("NVME") ?: "0000:00:04.0")
#define MAX_VECTORS	64
#define SWEEP_MAX	5000
#define SECONDS		600
#define WINDOW		0x10000000ULL
#define WINDOW_SIZE	0x100000ULL

struct machine {
	struct space space;
	struct device edu, nvme;
	uint32_t ioas;		/* another one, of iommufd */
	int vectors, fail_nth, eventfd;
	int fds[MAX_VECTORS];
};

/*
 * Everything that is not @call itself is done without faults. @same must hold
 * before the call, and after it when it has failed or been undone.
 */
struct step {
	int (*before)(struct machine *m);
	int (*call)(struct machine *m);
	bool (*done)(struct machine *m);	/* as it must be after success */
	int (*undo)(struct machine *m);
	bool (*same)(struct machine *m);
	int (*after)(struct machine *m);
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/*
 * All caches but that of procfs: the irq core warns when it takes away a
 * directory that it could not make.
 */
static int choose_caches(const char *value)
{
	struct dirent *entry;
	char path[512];
	int chosen = 0;
	DIR *dir;

	dir = opendir(CACHES);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    !strcmp(entry->d_name, "proc_dir_entry"))
			continue;
		snprintf(path, sizeof(path), CACHES "/%s/failslab", entry->d_name);
		chosen += !write_file(path, value);
	}
	closedir(dir);
	return chosen ? 0 : -ENOENT;
}

static int faults_setup(void)
{
	/* Allocations that may sleep, and single pages, are to fail, too */
	return write_file(FAULTS "failslab/ignore-gfp-wait", "N") ?:
	       write_file(FAULTS "failslab/cache-filter", "Y") ?:
	       write_file(FAULTS "fail_page_alloc/ignore-gfp-wait", "N") ?:
	       write_file(FAULTS "fail_page_alloc/min-order", "0") ?:
	       choose_caches("1");
}

static int machine_open(struct machine *m, enum backend backend)
{
	int i;

	m->vectors = atoi(getenv("VECTORS") ?: "8");
	if (m->vectors > MAX_VECTORS)
		return -E2BIG;
	for (i = 0; i < m->vectors; i++)
		m->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	m->fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (m->fds[m->vectors - 1] < 0 || m->eventfd < 0 || m->fail_nth < 0)
		return -errno;
	return device_to_vfio(edu_address()) ?: device_to_vfio(NVME) ?:
	       space_open(&m->space, backend) ?:
	       edu_open(&m->edu, &m->space) ?:
	       device_open(&m->nvme, &m->space, NVME) ?:
	       (backend == IOMMUFD ? space_add_ioas(&m->space, &m->ioas) : 0);
}

static void machine_close(struct machine *m)
{
	int i;

	device_close(&m->nvme);
	device_close(&m->edu);
	space_close(&m->space);
	for (i = 0; i < m->vectors; i++)
		close(m->fds[i]);
	close(m->eventfd);
	close(m->fail_nth);
	choose_caches("0");
}

#define NO_FAULTS "no fault injection: boot a kernel with FAILSLAB, FAIL_PAGE_ALLOC and FAULT_INJECTION_DEBUG_FS"

/* One doorbell, with @refs references; none with 0 */
static bool holds(unsigned int refs)
{
	struct doorbells d;

	return !doorbells_read(&d) && d.count == !!refs && d.refs == refs;
}

static bool window_is(struct machine *m, bool moved, unsigned int used)
{
	struct window w;

	return !window_query(&m->space, &w) && w.used == used &&
	       (w.start == WINDOW) == moved;
}

/* Nothing is lost that the full set of vectors would need */
static int full_set(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 0, m->vectors, m->fds) ?:
	       irqs_off(&m->nvme, MSIX);
}

/*
 * Makes the call with its @n-th allocation failing. Whether there were so
 * many, or a negative errno; what the call says in @ret.
 */
static int call_and_fail(struct machine *m, const struct step *step, int n, int *ret)
{
	char text[16] = {};

	snprintf(text, sizeof(text), "%d", n);
	if (pwrite(m->fail_nth, text, strlen(text), 0) < 0)
		return -errno;
	*ret = step->call(m);
	if (pread(m->fail_nth, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	if (pwrite(m->fail_nth, "0", 1, 0) < 0)
		return -errno;
	return atoi(text) == 0;
}

static void sweep(struct __test_metadata *_metadata, struct machine *m,
		  const struct step *step, int at_least)
{
	int n, ret = 0, injected = 1, failures = 0;

	/* What is kept from the first time on is not for a failure to undo */
	ASSERT_EQ(0, step->before(m));
	ASSERT_EQ(0, step->call(m));
	ASSERT_EQ(0, step->undo(m));
	for (n = 1; injected && n < SWEEP_MAX; n++) {
		ASSERT_TRUE(step->same(m));
		injected = call_and_fail(m, step, n, &ret);
		ASSERT_LE(0, injected);
		if (ret) {
			ASSERT_EQ(1, injected) TH_LOG("failed by itself: %d", ret);
			failures++;
			ASSERT_TRUE(step->same(m)) TH_LOG("after failure %d: %d", n, ret);
		} else {
			/* with an allocation that the kernel can do without */
			ASSERT_TRUE(step->done(m)) TH_LOG("after failure %d", n);
			ASSERT_EQ(0, step->undo(m));
			ASSERT_TRUE(step->same(m)) TH_LOG("undone, failure %d", n);
		}
		if (step->after)
			ASSERT_EQ(0, step->after(m)) TH_LOG("after failure %d", n);
	}
	TH_LOG("%d allocations failed, %d calls with them", n - 2, failures);
	ASSERT_EQ(0, injected);
	ASSERT_LE(at_least, failures);
}

static int nothing(struct machine *m) { return 0; }

FIXTURE(sweep)
{
	struct machine m;
};

FIXTURE_VARIANT(sweep)
{
	enum backend backend;
};

FIXTURE_VARIANT_ADD(sweep, type1) { .backend = TYPE1 };
FIXTURE_VARIANT_ADD(sweep, iommufd) { .backend = IOMMUFD };

FIXTURE_SETUP(sweep)
{
	int ret = faults_setup();

	if (ret == -ENOENT)
		SKIP(return, NO_FAULTS);
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, machine_open(&self->m, variant->backend));
}

FIXTURE_TEARDOWN(sweep)
{
	machine_close(&self->m);
	EXPECT_TRUE(holds(0));
}

/* --- vectors ------------------------------------------------------------- */

static bool no_vector(struct machine *m) { return holds(0); }
static bool two_vectors(struct machine *m) { return holds(2); }
static bool all_vectors(struct machine *m) { return holds(m->vectors); }
static int vectors_off(struct machine *m) { return irqs_off(&m->nvme, MSIX); }

static int enable_all(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 0, m->vectors, m->fds);
}

static int enable_one(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 0, 1, m->fds);
}

static int add_one(struct machine *m)
{
	return irqs_set(&m->nvme, MSIX, 1, 1, &m->fds[1]);
}

/*
 * VFIO keeps a vector that was added until all of them go, also if it fails
 * after that: trying again must not take another one.
 */
static bool one_vector(struct machine *m) { return holds(1) || holds(2); }

static int enable_one_again(struct machine *m)
{
	return irqs_off(&m->nvme, MSIX) ?: enable_one(m);
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

	sweep(_metadata, &self->m, &step, 10);
}

TEST_F_TIMEOUT(sweep, add, SECONDS)
{
	const struct step step = {
		.before = enable_one, .call = add_one, .done = two_vectors,
		.undo = enable_one_again, .same = one_vector,
		.after = full_set_and_one,
	};

	sweep(_metadata, &self->m, &step, 3);
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

	sweep(_metadata, &self->m, &step, 1);
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

	sweep(_metadata, &self->m, &step, 5);
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

	sweep(_metadata, &self->m, &step, 10);
	ASSERT_EQ(0, open_all(&self->m));
}

/* --- replacement of a domain under a live MSI ---------------------------- */

static int edu_live(struct machine *m)
{
	return irqs_set(&m->edu, MSI, 0, 1, &m->eventfd);
}

static int replace(struct machine *m) { return device_replace(&m->edu, m->ioas); }

static int replace_back(struct machine *m)
{
	return device_replace(&m->edu, m->space.ioas);
}

/* In either space, with interrupts arriving */
static bool edu_works(struct machine *m)
{
	return holds(1) && edu_fire(&m->edu, m->eventfd, 3) == 3;
}

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
	ASSERT_EQ(0, machine_open(&self->m, IOMMUFD));
}

FIXTURE_TEARDOWN(replacement)
{
	machine_close(&self->m);
	EXPECT_TRUE(holds(0));
}

TEST_F_TIMEOUT(replacement, live_msi, SECONDS)
{
	const struct step step = {
		.before = edu_live, .call = replace, .done = edu_went,
		.undo = replace_back, .same = edu_stays,
	};

	sweep(_metadata, &self->m, &step, 5);
	ASSERT_EQ(0, irqs_off(&self->m.edu, MSI));
}

TEST_HARNESS_MAIN
