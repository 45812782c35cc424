// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that uses MSIs ends: killed at any point of what it does, or by
 * closing what it has in any order. Nothing of it may stay.
 *
 * The environment may have KILLS, how many in all; EDU; NVME, the address of
 * an NVMe disk; and VECTORS, how many of them it is given.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/iommufd.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/sys.h"
#include "lib/walker.h"
#include "lib/window.h"
#include "backends.h"

#define MAX_VECTORS	64
#define QUEUES		7	/* of the disk, as many as lib/nvme.c can make */
#define OLD		0x8000000ULL	/* default window, 1 MiB */
#define NEW		0x10000000ULL
#define OTHER		0x20000000ULL
#define DISK_MEMORY	0x100000000ULL
#define LIVES		10	/* that are measured */
#define FULL_EVERY	50	/* kills, between looks at all interrupts */
#define SECONDS		1200
#define NSEC_PER_SEC	1000000000ULL

enum phase {
	OPEN, ATTACH, WINDOW, MAP, ENABLE, ADD, REPLACE, MOVE_BACK, DISABLE,
	UNMAP, CLOSE, DONE,
};

static const char * const names[] = {
	"open", "attach", "window", "map", "enable", "add", "replace",
	"move back", "disable", "unmap", "close", "done",
};

/* Shared by a process and by its parent, which kills it */
struct shared {
	int phase, error;
	double began[DONE + 1];
	enum phase kill_in;
	double kill_after;	/* seconds from when that phase began */
};

struct life {
	struct space space;
	struct device edu, nvme;
	uint32_t ioas;		/* another one, of iommufd */
	int vectors, edu_fd, fds[MAX_VECTORS];
	void *memory;
};

static int life_open(struct life *life, enum backend backend)
{
	*life = (struct life) {
		.edu = { .fd = -1, .group = -1 },
		.nvme = { .fd = -1, .group = -1 },
		.vectors = atoi(getenv("VECTORS") ?: "8"),
	};
	life->edu_fd = -1;
	memset(life->fds, -1, sizeof(life->fds));
	if (life->vectors < 2 || life->vectors > MAX_VECTORS)
		return -E2BIG;
	return space_open(&life->space, backend) ?:
	       (backend == IOMMUFD ? space_add_ioas(&life->space, &life->ioas) : 0);
}

static int life_attach(struct life *life)
{
	return edu_open(&life->edu, &life->space) ?:
	       device_start(&life->nvme, &life->space, nvme_address());
}

static int life_events(struct life *life)
{
	return events_open(&life->edu_fd, 1) ?:
	       events_open(life->fds, life->vectors);
}

static void life_close_events(struct life *life)
{
	close(life->edu_fd);
	events_close(life->fds, life->vectors);
}

static int life_map(struct life *life, uint64_t iova)
{
	life->memory = memory_new(MIB);
	return !life->memory ? -ENOMEM :
	       space_map(&life->space, life->memory, iova, MIB);
}

static int life_enable(struct life *life, int vectors)
{
	return irqs_set(&life->edu, MSI, 0, 1, &life->edu_fd) ?:
	       irqs_set(&life->nvme, MSIX, 0, vectors, life->fds);
}

/* Adds vectors one by one, where the MSI controller can; else enables all anew */
static int life_add(struct life *life)
{
	uint32_t count;
	bool dynamic;
	int i, ret = irqs_info(&life->nvme, MSIX, &count, &dynamic);

	if (ret)
		return ret;
	if (!dynamic)
		return irqs_off(&life->nvme, MSIX) ?:
		       irqs_set(&life->nvme, MSIX, 0, life->vectors, life->fds);
	for (i = life->vectors / 2; !ret && i < life->vectors; i++)
		ret = irqs_set(&life->nvme, MSIX, i, 1, &life->fds[i]);
	return ret;
}

static int life_disable(struct life *life)
{
	return irqs_off(&life->nvme, MSIX) ?: irqs_off(&life->edu, MSI);
}

static void life_close(struct life *life)
{
	device_close(&life->nvme);
	device_close(&life->edu);
	space_close(&life->space);
}

static int replace_both(struct life *life, uint32_t ioas)
{
	return device_replace(&life->edu, ioas) ?:
	       device_replace(&life->nvme, ioas);
}

/* Of both address spaces: a live message must mean the same in either */
static int window_to(struct life *life, uint64_t start)
{
	struct space second = life->space;

	second.ioas = life->ioas;
	if (!translated(1))
		return 0;
	return window_set(&life->space, start, MIB) ?:
	       (second.backend == IOMMUFD ? window_set(&second, start, MIB) : 0);
}

/* --- killed -------------------------------------------------------------- */

static int phase_run(struct life *life, enum phase phase, enum backend backend)
{
	switch (phase) {
	case OPEN:
		return life_open(life, backend) ?: life_events(life);
	case ATTACH:
		return life_attach(life);
	case WINDOW:
		return window_to(life, OTHER) ?: window_to(life, NEW);
	case MAP:
		return life_map(life, translated(1) ? OLD : OTHER);
	case ENABLE:
		return life_enable(life, life->vectors / 2);
	case ADD:
		return life_add(life);
	case REPLACE:
		return replace_both(life, life->ioas);
	case MOVE_BACK:
		return replace_both(life, life->space.ioas);
	case DISABLE:
		return life_disable(life);
	case UNMAP:
		return space_unmap(&life->space, translated(1) ? OLD : OTHER, MIB) ?:
		       munmap(life->memory, MIB);
	case CLOSE:
		life_close_events(life);
		life_close(life);
		return 0;
	case DONE:
		break;
	}
	return 0;
}

static bool phase_of(enum phase phase, enum backend backend)
{
	return backend == IOMMUFD || (phase != REPLACE && phase != MOVE_BACK);
}

/* SIGKILL from a timer: whatever the process does then, on one CPU or more */
static int kill_later(double seconds)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL,
	};
	uint64_t nanoseconds = 1 + seconds * 1e9;	/* 0 would be never */
	struct itimerspec at = {
		.it_value = {
			.tv_sec = nanoseconds / NSEC_PER_SEC,
			.tv_nsec = nanoseconds % NSEC_PER_SEC,
		},
	};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &at, NULL))
		return -errno;
	return 0;
}

static void live(struct shared *shared, enum backend backend)
{
	struct life life;
	enum phase phase;
	int ret = 0;

	for (phase = OPEN; phase <= DONE; phase++) {
		if (!phase_of(phase, backend))
			continue;
		shared->began[phase] = now_ns() * 1e-9;
		shared->phase = phase;
		if (phase == shared->kill_in)
			ret = kill_later(shared->kill_after);
		ret = ret ?: phase_run(&life, phase, backend);
		shared->error = ret;
		if (ret)
			_exit(1);
	}
	_exit(0);
}

static int open_again(enum backend backend)
{
	struct life life;
	int ret = life_open(&life, backend) ?: life_attach(&life);

	life_close(&life);
	return ret;
}

/*
 * An interrupt by each queue of the disk; what a command does is no matter. Where
 * the disk finds no queues, the walker's word that they would arrive.
 */
static int disk_raises(struct life *life)
{
	int queues = life->vectors - 1 < QUEUES ? life->vectors - 1 : QUEUES;
	int i, ret;
	struct nvme nvme;
	bool really;

	if (walker_wanted())
		return walker_vouches(nvme_address(), &really) ? 0 : -ETIME;
	ret = nvme_start(&nvme, &life->nvme, DISK_MEMORY);
	for (i = 1; !ret && i <= queues; i++) {
		ret = nvme_create_queue(&nvme, i, i);
		if (ret)
			break;
		nvme_submit(&nvme, i);
		if (event_wait(life->fds[i], 2000) != 1 ||
		    nvme_complete(&nvme, i) == -ETIMEDOUT)
			ret = -ETIME;
	}
	if (!ret)
		nvme_stop(&nvme);
	return ret;
}

/* All of the disk's vectors, and edu's; 0 or a negative errno */
static int use_again(enum backend backend)
{
	struct life life;
	int ret;

	ret = life_open(&life, backend) ?: life_attach(&life) ?:
	      life_events(&life) ?: life_enable(&life, life.vectors) ?:
	      disk_raises(&life);
	if (!ret && edu_fire(&life.edu, life.edu_fd, 5) != 5)
		ret = -ETIMEDOUT;
	life_close_events(&life);
	life_close(&life);
	return ret;
}

FIXTURE(killed)
{
	struct shared *shared;
	double lasts[DONE];	/* seconds */
	int kills[DONE];
};

FIXTURE_OF_BACKENDS(killed);

static int devices_setup(void)
{
	return device_to_vfio(edu_address()) ?: device_to_vfio(nvme_address()) ?:
	       device_without_reset(nvme_address());
}

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, devices_setup());
	self->shared = memory_new(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_TRUE(nothing_left("#"));
}

/*
 * One life, killed within @phase, or not at all by DONE. The phase in which it
 * ended, or a negative errno.
 */
static int live_once(FIXTURE_DATA(killed) *self, enum phase phase, enum backend backend)
{
	struct shared *shared = self->shared;
	int status;
	pid_t child;

	*shared = (struct shared) {
		.kill_in = phase == DONE ? DONE + 1 : phase,
		.kill_after = phase == DONE ? 0 : self->lasts[phase] * drand48(),
	};
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(shared, backend);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -errno;
	if (WIFSIGNALED(status))
		return shared->phase;
	return status ? shared->error ?: -EPROTO : DONE;
}

/* How long each phase takes. The first life is slower: it is not counted. */
static int measure(FIXTURE_DATA(killed) *self, enum backend backend)
{
	double *began = self->shared->began;
	enum phase phase, next;
	int i, ret;

	for (i = -1; i < LIVES; i++) {
		ret = live_once(self, DONE, backend);
		if (ret != DONE)
			return ret;
		for (phase = OPEN; i >= 0 && phase < DONE; phase = next) {
			for (next = phase + 1; !phase_of(next, backend); next++)
				;
			self->lasts[phase] += (began[next] - began[phase]) / LIVES;
		}
	}
	return 0;
}

/* The first phase in which no process was killed, or DONE */
static enum phase missed(FIXTURE_DATA(killed) *self, enum backend backend)
{
	enum phase phase = OPEN;

	while (phase < DONE && (self->kills[phase] || !phase_of(phase, backend)))
		phase++;
	return phase;
}

#define SAY_PHASE	TH_LOG("in phase %s", names[self->shared->phase])
#define SAY_KILL	TH_LOG("kill %d, in phase %s", done, names[hit])

TEST_F_TIMEOUT(killed, anywhere, SECONDS)
{
	int kills = atoi(getenv("KILLS") ?: "1000") / 2, done = 0, tries = 0, hit;
	enum phase phase;

	srand48(variant->backend + 1);
	ASSERT_EQ(0, measure(self, variant->backend)) SAY_PHASE;
	ASSERT_TRUE(nothing_left("#"));
	while (done < kills || missed(self, variant->backend) != DONE) {
		ASSERT_GT(2 * kills + 100, tries++);
		phase = done < kills ? lrand48() % DONE : missed(self, variant->backend);
		if (!phase_of(phase, variant->backend))
			continue;
		hit = live_once(self, phase, variant->backend);
		ASSERT_LE(0, hit) SAY_PHASE;
		if (hit == DONE)
			continue;
		self->kills[hit]++;
		done++;
		ASSERT_TRUE(nothing_left("#")) SAY_KILL;
		ASSERT_EQ(0, open_again(done & 1)) SAY_KILL;
		if (done % FULL_EVERY == 0)
			ASSERT_EQ(0, use_again(variant->backend)) SAY_KILL;
		ASSERT_TRUE(nothing_left("#")) SAY_KILL;
	}
	for (phase = OPEN; phase < DONE; phase++) {
		if (!phase_of(phase, variant->backend))
			continue;
		TH_LOG("%-9s  %3d kills, lasts %6.2f ms", names[phase],
		       self->kills[phase], self->lasts[phase] * 1e3);
	}
	TH_LOG("%d kills", done);
	ASSERT_EQ(0, use_again(variant->backend));
}

/* --- closed -------------------------------------------------------------- */

enum part { DEVICES, GROUPS, IOMMU, EVENTS, BARS };

#define PARTS		5
#define ORDERS		120

static const char part_letters[] = "dgieb";

FIXTURE(closed)
{
	struct life life;
	unsigned int gone;	/* a bit for each part */
};

FIXTURE_OF_BACKENDS(closed);

FIXTURE_SETUP(closed)
{
	ASSERT_EQ(0, devices_setup());
}

FIXTURE_TEARDOWN(closed)
{
	EXPECT_TRUE(nothing_left("#"));
}

static void unmap_bar(struct device *dev)
{
	munmap((void *)dev->bar, dev->bar_size);
	dev->bar = NULL;
}

static void close_once(int *fd)
{
	close(*fd);
	*fd = -1;
}

static bool is_gone(FIXTURE_DATA(closed) *self, enum part part)
{
	return self->gone & 1U << part;
}

/* A device lives as long as somebody has its file or its BAR */
static bool in_use(FIXTURE_DATA(closed) *self)
{
	return !is_gone(self, DEVICES) || !is_gone(self, BARS);
}

/*
 * iommufd has no groups: the IOAS in their stead, which is not to be destroyed
 * below a device
 */
static int destroy_ioas(FIXTURE_DATA(closed) *self)
{
	struct iommu_destroy destroy = {
		.size = sizeof(destroy), .id = self->life.space.ioas,
	};
	int ret;

	if (is_gone(self, IOMMU))
		return 0;
	ret = sys_ioctl(self->life.space.fd, IOMMU_DESTROY, &destroy);
	return ret == (in_use(self) ? -EBUSY : 0) ? 0 : -EPROTO;
}

static int close_part(FIXTURE_DATA(closed) *self, enum part part)
{
	struct life *life = &self->life;
	int ret = 0;

	switch (part) {
	case DEVICES:
		close_once(&life->edu.fd);
		close_once(&life->nvme.fd);
		break;
	case GROUPS:
		if (life->space.backend == IOMMUFD) {
			ret = destroy_ioas(self);
			break;
		}
		close_once(&life->edu.group);
		close_once(&life->nvme.group);
		break;
	case IOMMU:
		space_close(&life->space);
		break;
	case EVENTS:
		life_close_events(life);
		break;
	case BARS:
		unmap_bar(&life->edu);
		unmap_bar(&life->nvme);
		break;
	}
	self->gone |= 1U << part;
	return ret;
}

/* As long as the device is there, its interrupts are */
static bool still_works(FIXTURE_DATA(closed) *self)
{
	struct doorbells d;

	if (doorbells_read(&d))
		return false;
	if (!in_use(self))
		return !d.count;
	if (d.vectors != (uint64_t)translated(self->life.vectors + 1))
		return false;
	return is_gone(self, EVENTS) || is_gone(self, BARS) ||
	       edu_fire(&self->life.edu, self->life.edu_fd, 1) == 1;
}

/* The @n-th order of the parts */
static void permutation(int n, enum part *order)
{
	bool taken[PARTS] = {};
	int i, part, skip;

	for (i = 0; i < PARTS; i++) {
		skip = n % (PARTS - i);
		n /= PARTS - i;
		for (part = 0; taken[part] || skip--; part++)
			;
		taken[part] = true;
		order[i] = part;
	}
}

TEST_F_TIMEOUT(closed, any_order, SECONDS)
{
	struct life *life = &self->life;
	char said[PARTS + 1] = {};
	enum part order[PARTS];
	int n, i;

	for (n = 0; n < ORDERS; n++) {
		permutation(n, order);
		self->gone = 0;
		ASSERT_EQ(0, life_open(life, variant->backend));
		ASSERT_EQ(0, life_attach(life));
		ASSERT_EQ(0, life_events(life));
		ASSERT_EQ(0, life_enable(life, life->vectors));
		ASSERT_TRUE(still_works(self));
		for (i = 0; i < PARTS; i++) {
			said[i] = part_letters[order[i]];
			said[i + 1] = '\0';
			ASSERT_EQ(0, close_part(self, order[i])) TH_LOG("%s", said);
			ASSERT_TRUE(still_works(self)) TH_LOG("%s", said);
		}
		ASSERT_TRUE(nothing_left("#")) TH_LOG("%s", said);
		if (n % 12 == 0)
			ASSERT_EQ(0, use_again(variant->backend)) TH_LOG("%s", said);
	}
	TH_LOG("%d orders", n);
	ASSERT_EQ(0, use_again(variant->backend));
}

TEST_HARNESS_MAIN
