// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that user space can do to MSIs, by several processes at once, on
 * devices and address spaces of their own, for some time. Each interrupt that
 * a device is told to raise is counted, and so is each that arrives: the two
 * must be the same. What a process does follows from the seed; how it meets
 * what the others do does not.
 *
 * usage: stress SECONDS SEED WORKER...
 *
 * A WORKER is one of
 *	edu:BACKEND:ADDRESS[,ADDRESS]	MSI, windows, mappings, replaced domains
 *	nvme:BACKEND:ADDRESS	MSI-X: all vectors or a few, added ones
 *	net:BACKEND:ADDRESS[,ADDRESS]	an e1000e, whose MSI and MSI-X come and
 *				go and are not raised: it raises as it pleases
 *	guest:ADDRESS		KVM guests that start and are killed
 *	affinity		moves interrupts from CPU to CPU
 *	unbind:ADDRESS[,ADDRESS...]	takes devices from vfio-pci, and back
 *	remove:ADDRESS		takes a device from the bus, and finds it again
 *	slot:PORT,ADDRESS	takes from the bus what QEMU's monitor unplugs,
 *				and finds what it plugs in
 *	look			reads what debugfs says of windows and doorbells
 * with BACKEND type1 or iommufd. Two devices are in one space, each used by a
 * process. An address that ends in ? may be missing at times: the device is
 * unbound, removed or unplugged.
 *
 * PACE of the environment gives a slow machine as many times longer, see
 * lib/clock.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "lib/clock.h"
#include "lib/doorbells.h"
#include "lib/edu.h"
#include "lib/events.h"
#include "lib/nvme.h"
#include "lib/random.h"
#include "lib/sys.h"
#include "lib/window.h"
#include "lib/workers.h"

#define MAX_VECTORS	16
#define PATIENCE	30000		/* milliseconds for an interrupt */
#define IN_TIME		paced(10)	/* seconds to keep what others want */
#define STALLED		paced(300)	/* seconds without anything done */
#define NET_VECTORS	5
#define GUEST_LOG	"/guest.log"
#define QUEUES		4

enum count { RAISED, RECEIVED, ENABLED, ADDED, ATTACHED, REPLACED, MOVED,
	     REFUSED, MAPPED, ASKED, MISSING, DISTURBED, COUNTS };
static const char * const count_names[COUNTS] = {
	"raised", "received", "enabled", "added", "attached", "replaced",
	"moved", "refused", "mapped", "asked", "missing", "disturbed",
};

/* Shared with the parent, written by its process and that one's partner */
struct stressor {
	struct worker worker;
	enum count purpose;	/* which count must not stay 0 */
	volatile bool session;	/* the partner is to go on */
	volatile uint64_t counts[COUNTS];
};

static struct stressor *stressors, *self;
static struct crew crew = { .program = "stress" };
static uint32_t seed;
static time_t begin;

/* A slow machine gets more time, so that each does what it is there for */
static bool over(void)
{
	return now() >= crew.deadline && self->counts[self->purpose];
}

static void count_more(enum count what, uint64_t more)
{
	__atomic_fetch_add(&self->counts[what], more, __ATOMIC_RELAXED);
	/* To find a device missing, time and again, is to get nothing done */
	if (what != MISSING)
		__atomic_fetch_add(&self->worker.steps, more, __ATOMIC_RELAXED);
}

static void count(enum count what) { count_more(what, 1); }

#define fail(format, ...) \
	errx(1, "%s (seed %u): " format, self->worker.name, seed, ##__VA_ARGS__)

/* For what must not fail */
#define MUST(call) do {							\
	int ret_ = (call);						\
									\
	if (ret_)							\
		fail("line %d: %s: %s", __LINE__, #call, strerror(-ret_)); \
} while (0)

/* --- a device in a space ------------------------------------------------- */

struct session {
	const char *address[2];
	int devices;		/* one or two in the space */
	bool may_miss;		/* somebody takes it away */
	struct space space;
	struct device dev[2];
	unsigned int enabled;	/* vectors of the first, from 0 on */
	uint32_t ioas[2];
	unsigned int current;	/* of these: where the device is attached */
	uint64_t window;	/* where it was moved to, or 0 */
	pid_t partner;		/* uses the same space at the same time */
	void *memory;
	int fds[MAX_VECTORS];
	int request;		/* the kernel wants the device back */
	bool obeys;		/* and gets it at once */
	time_t end;		/* or then, at the latest */
};

/* It has the same files open: they are closed only then */
static void partner_stop(struct session *s)
{
	int status;

	if (!s->partner)
		return;
	self->session = false;
	if (waitpid(s->partner, &status, 0) < 0 || status)
		fail("its partner ended with status %#x", status);
	s->partner = 0;
}

static bool live(const struct session *s)
{
	return s->enabled;
}

static void session_close_all(struct session *s)
{
	int i;

	for (i = 0; i < s->devices; i++)
		device_close(&s->dev[i]);
}

static int session_open_all(struct session *s)
{
	int i, ret = 0;

	/* The kernel's own driver has it, or, when it has come back, none */
	for (i = 0; i < s->devices; i++)
		ret = ret ?: device_to_vfio(s->address[i]);
	for (i = 0; i < s->devices; i++)
		s->dev[i] = (struct device) { .fd = -1, .group = -1 };
	for (i = 0; i < s->devices && !ret; i++)
		ret = device_start(&s->dev[i], &s->space, s->address[i]);
	return ret;
}

/* For the time being: no device, no driver, or it is about to go or come */
static bool absent(int error)
{
	switch (-error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case EBUSY:
	case EAGAIN:	/* cannot be reset, as somebody has it locked */
	case EPERM:	/* a driver of the kernel's own has it */
	case EINVAL:	/* its group lost the container along with it */
		return true;
	default:
		return false;
	}
}

static bool session_open(struct session *s, enum backend backend)
{
	int ret;

	ret = space_open(&s->space, backend);
	if (ret)
		fail("no address space: %s", strerror(-ret));
	ret = session_open_all(s);
	if (ret) {
		session_close_all(s);
		space_close(&s->space);
		if (!s->may_miss || !absent(ret))
			fail("cannot be opened: %s", strerror(-ret));
		count(MISSING);
		usleep(50000);
		return false;
	}
	s->ioas[0] = s->space.ioas;
	if (backend == IOMMUFD)
		MUST(space_add_ioas(&s->space, &s->ioas[1]));
	s->current = 0;
	s->enabled = 0;
	s->window = 0;
	s->partner = 0;
	s->end = now() + (s->may_miss ? IN_TIME : STALLED);
	s->obeys = s->may_miss && below(2);
	if (s->obeys)
		MUST(irqs_set(&s->dev[0], VFIO_PCI_REQ_IRQ_INDEX, 0, 1,
			      &s->request));
	count(ATTACHED);
	return true;
}

/* Time to close? In the end, and when others want the device */
static bool session_over(struct session *s)
{
	if (s->obeys && event_wait(s->request, 0)) {
		count(ASKED);
		return true;
	}
	return now() >= s->end || over();
}

/* With or without disabling first, the device or the space first */
static void session_close(struct session *s, int index)
{
	partner_stop(s);
	if (live(s) && below(2))
		MUST(irqs_off(&s->dev[0], index));
	if (below(2)) {
		session_close_all(s);
		space_close(&s->space);
	} else {
		space_close(&s->space);
		session_close_all(s);
	}
}

static void session_init(struct session *s, char *address)
{
	size_t length = strlen(address);
	char *at;

	*s = (struct session) {};
	if (address[length - 1] == '?') {
		address[length - 1] = '\0';
		s->may_miss = true;
	}
	while ((at = strsep(&address, ",")) && s->devices < 2)
		s->address[s->devices++] = at;
	MUST(events_open(&s->request, 1));
	MUST(events_open(s->fds, MAX_VECTORS));
	s->memory = memory_new(MIB);
	if (!s->memory)
		fail("no memory");
}

/* An interrupt has been raised: it must arrive, and just once */
static void expect_one(int fd)
{
	uint64_t arrived = event_wait(fd, PATIENCE);

	count(RAISED);
	count_more(RECEIVED, arrived);
	if (arrived != 1)
		fail("%" PRIu64 " interrupts where 1 was raised", arrived);
}

/* Nor did any arrive elsewhere, from vector @first to @last */
static void expect_none(struct session *s, int first, int last)
{
	uint64_t arrived;
	int i;

	for (i = first; i <= last; i++) {
		arrived = event_wait(s->fds[i], 0);
		count_more(RECEIVED, arrived);
		if (arrived)
			fail("%" PRIu64 " interrupts that nobody raised, at %d",
			     arrived, i);
	}
}

/* --- windows and memory, whatever the device is -------------------------- */

/* Another device's interrupt may be live at any time */
static bool shared(const struct session *s)
{
	return s->devices > 1;
}

/* To somewhere, or back */
static void move_window(struct session *s)
{
	uint64_t to = below(8) * 0x10000000ULL;
	int ret;

	if (s->current || to == s->window)
		return;
	ret = to ? window_set(&s->space, to, MIB) :
	      window_unset(&s->space, s->window, MIB);
	if (live(s) && ret != -EBUSY)
		fail("a window with live interrupts was moved: %d", ret);
	if (!live(s) && ret && !(shared(s) && ret == -EBUSY))
		fail("the window cannot be moved: %s", strerror(-ret));
	if (!ret)
		s->window = to;
	count(ret ? REFUSED : MOVED);
}

static void map_memory(struct session *s)
{
	uint64_t at = 0x100000000ULL + below(16) * MIB;
	int ret;

	if (s->current)
		return;
	ret = space_map(&s->space, s->memory, at, MIB);
	if (ret)
		fail("memory at %#" PRIx64 ": %s", at, strerror(-ret));
	count(MAPPED);
	MUST(space_unmap(&s->space, at, MIB));
}

/*
 * The other space has the default window. A live interrupt needs its window in
 * both: where it was moved, the kernel must refuse.
 */
static void replace(struct session *s)
{
	int ret;

	if (s->space.backend != IOMMUFD || s->devices > 1)
		return;
	ret = device_replace(&s->dev[0], s->ioas[!s->current]);
	if (ret && !(s->window && live(s)))
		fail("the space cannot be replaced: %s", strerror(-ret));
	if (!ret && s->window && live(s))
		fail("live interrupts went to a space without their window");
	count(ret ? REFUSED : REPLACED);
	s->current ^= !ret;
}

/* One doorbell, while there is an interrupt */
static void query_window(struct session *s)
{
	struct window window;

	if (s->current)
		return;
	MUST(window_query(&s->space, &window));
	if (window.used < live(s) || window.used > (live(s) || shared(s)))
		fail("%" PRIu64 " pages of the window are used, expected %d",
		     (uint64_t)window.used, live(s));
}

static void anything(struct session *s)
{
	switch (below(4)) {
	case 0: move_window(s); break;
	case 1: map_memory(s); break;
	case 2: replace(s); break;
	case 3: query_window(s); break;
	}
}

/* --- devices with one MSI ------------------------------------------------ */

typedef void use_fn(struct session *s, int i);

static void edu_raise(struct session *s, int i)
{
	int times = 1 + below(20);

	while (times--) {
		edu_write(&s->dev[i], EDU_RAISE, 1);
		expect_one(s->fds[i]);
		edu_write(&s->dev[i], EDU_ACK, 1);
	}
	if (!shared(s))
		expect_none(s, 0, MAX_VECTORS - 1);
	else
		expect_none(s, i, i);
}

/* For a while the other kind of message, a few at once */
static void net_msix(struct session *s, int i)
{
	MUST(irqs_off(&s->dev[i], MSI));
	MUST(irqs_set(&s->dev[i], MSIX, 0,
		      1 + below(NET_VECTORS), &s->fds[2 + i * NET_VECTORS]));
	count(ENABLED);
	MUST(irqs_off(&s->dev[i], MSIX));
	MUST(irqs_set(&s->dev[i], MSI, 0, 1, &s->fds[i]));
}

/* --- a process beside the first, in the same space ------------------------- */

/* Asks where the window is, and has the second device, if there is one */
static void partner(struct session *s, use_fn *use)
{
	struct window window;

	while (self->session) {
		MUST(window_query(&s->space, &window));
		if (shared(s)) {
			MUST(irqs_set(&s->dev[1], MSI, 0, 1,
				      &s->fds[1]));
			count(ENABLED);
			if (!below(8))
				use(s, 1);
			MUST(irqs_off(&s->dev[1], MSI));
		}
		usleep(below(10000));
	}
}

static void partner_start(struct session *s, use_fn *use)
{
	self->session = true;
	s->partner = fork();
	if (s->partner < 0)
		fail("fork: %s", strerror(errno));
	if (s->partner)
		return;
	partner(s, use);
	_exit(0);
}

static void one_msi_step(struct session *s, use_fn *use)
{
	switch (below(4)) {
	case 0:
		if (live(s))
			break;
		MUST(irqs_set(&s->dev[0], MSI, 0, 1, s->fds));
		s->enabled = 1;
		count(ENABLED);
		break;
	case 1:
		if (!live(s))
			break;
		MUST(irqs_off(&s->dev[0], MSI));
		s->enabled = 0;
		break;
	case 2:
		if (live(s))
			use(s, 0);
		break;
	case 3:
		anything(s);
		break;
	}
}

static void one_msi(char *address, enum backend backend, use_fn *use)
{
	struct session s;

	session_init(&s, address);
	while (!over()) {
		int steps = 1 + below(30);

		if (!session_open(&s, backend))
			continue;
		if (shared(&s) || below(2))
			partner_start(&s, use);
		while (steps-- && !session_over(&s))
			one_msi_step(&s, use);
		session_close(&s, MSI);
	}
}

/* --- a device with MSI-X ------------------------------------------------- */

/* Some of the queues at once, each at a vector of its own */
static void queues_fire(struct session *s, struct nvme *nvme, const int *at,
			int queues)
{
	unsigned int chosen = 1 + below((1 << queues) - 1);
	int times = 1 + below(10), i;

	while (times--) {
		for (i = 0; i < queues; i++)
			if (chosen & 1 << i)
				nvme_submit(nvme, i + 1);
		for (i = 0; i < queues; i++) {
			if (!(chosen & 1 << i))
				continue;
			expect_one(s->fds[at[i]]);
			/* Without a disk it fails, with an interrupt all the same */
			if (nvme_complete(nvme, i + 1) == -ETIMEDOUT)
				fail("a command did not complete");
		}
	}
	/* The admin queue, at vector 0, raises as it pleases */
	expect_none(s, 1, MAX_VECTORS - 1);
}

/* Queues at vectors that are there from the beginning, or added one by one */
static void many_msix(char *address, enum backend backend, int vectors)
{
	struct session s;

	session_init(&s, address);
	while (!over()) {
		int at[QUEUES], queues = 1 + below(QUEUES), i, rounds;
		bool add = below(2);
		struct nvme nvme;

		if (!session_open(&s, backend))
			continue;
		if (below(2))
			anything(&s);
		if (s.current)	/* where its memory is going to be */
			replace(&s);
		s.enabled = add ? 1 : vectors;
		MUST(irqs_set(&s.dev[0], MSIX, 0,
			      s.enabled, s.fds));
		count(ENABLED);
		MUST(nvme_start(&nvme, &s.dev[0], 0x200000000ULL));
		for (i = 0; i < queues; i++) {
			at[i] = 1 + (i * (vectors - 1)) / QUEUES;
			if (add) {
				MUST(irqs_set(&s.dev[0], MSIX,
					      at[i], 1, &s.fds[at[i]]));
				count(ADDED);
			}
			MUST(nvme_create_queue(&nvme, i + 1, at[i]));
		}
		for (rounds = below(8); rounds-- && !session_over(&s);)
			queues_fire(&s, &nvme, at, queues);
		nvme_stop(&nvme);
		event_wait(s.fds[0], 0);
		session_close(&s, MSIX);
	}
}

/* --- those who disturb --------------------------------------------------- */

/* One of VFIO's interrupts goes to another CPU; it may be gone by then */
static void affinity(void)
{
	char line[512], mask[8];
	int irqs[256], found, cpus = sysconf(_SC_NPROCESSORS_ONLN);

	while (!over()) {
		FILE *file = fopen("/proc/interrupts", "re");

		found = 0;
		while (file && fgets(line, sizeof(line), file))
			if (strstr(line, "vfio-ms") && found < 256)
				irqs[found++] = atoi(line);
		if (file)
			fclose(file);
		if (found) {
			int irq = irqs[below(found)];

			snprintf(mask, sizeof(mask), "%x", 1 << below(cpus));
			if (!file_write(mask, "/proc/irq/%d/smp_affinity", irq))
				count(DISTURBED);
		}
		usleep(below(20000));
	}
}

static void unbind(char *addresses)
{
	char *list[MAX_WORKERS], *at, *rest = addresses;
	int n = 0;

	while ((at = strsep(&rest, ",")) && n < MAX_WORKERS)
		list[n++] = at;
	while (!over()) {
		at = list[below(n)];
		/* Waits until whoever has it open closes it */
		if (!file_write(at, "/sys/bus/pci/drivers/vfio-pci/unbind"))
			count(DISTURBED);
		usleep(below(200000));
		file_write("vfio-pci", "/sys/bus/pci/devices/%s/driver_override", at);
		file_write(at, "/sys/bus/pci/drivers_probe");
		usleep(500000 + below(1500000));
	}
	for (n--; n >= 0; n--)
		file_write(list[n], "/sys/bus/pci/drivers_probe");
}

/*
 * Only the bus that the device is on, behind a port of its own: on this machine
 * a scan of all closes each bridge for a moment, to devices that are in use.
 */
static void rescan(const char *address)
{
	file_write("1", "/sys/class/pci_bus/%.7s/rescan", address);
}

static void remove_device(const char *address)
{
	while (!over()) {
		/* Waits like unbinding */
		if (!file_write("1", "/sys/bus/pci/devices/%s/remove", address))
			count(DISTURBED);
		usleep(below(200000));
		rescan(address);
		usleep(500000 + below(1500000));
	}
}

static uint16_t config_read(int fd, int offset)
{
	uint16_t value = 0;

	if (pread(fd, &value, 2, offset) != 2)
		fail("PCI config space: %s", strerror(errno));
	return value;
}

static void config_write(int fd, int offset, uint16_t value)
{
	if (pwrite(fd, &value, 2, offset) != 2)
		fail("PCI config space: %s", strerror(errno));
}

/* The capability ID is the lower byte, the next one's offset the other */
static int express_capability(int fd)
{
	int offset = config_read(fd, PCI_CAPABILITY_LIST) & 0xff;

	while (offset && (config_read(fd, offset) & 0xff) != PCI_CAP_ID_EXP)
		offset = config_read(fd, offset) >> 8;
	if (!offset)
		fail("no PCI Express port");
	return offset;
}

#define SLOT_POWER	(PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC)
#define SLOT_OFF	(PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PWR_OFF)
#define SLOT_ON		(PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_PWR_ON)

static void slot_power(int fd, int express, uint16_t power)
{
	int offset = express + PCI_EXP_SLTCTL;

	config_write(fd, offset, (config_read(fd, offset) & ~SLOT_POWER) | power);
}

/*
 * What pciehp does, but at once: it waits for 5 seconds. And lockdep complains
 * about its reset_lock as soon as a device is unplugged, also on the base, and
 * says nothing about anybody else after that.
 */
static void slot(char *port)
{
	char *address = port, config[64], remove[64];
	int fd, express;
	bool found;

	port = strsep(&address, ",");
	if (!address)
		errx(2, "%s: no device", self->worker.name);
	snprintf(config, sizeof(config), "/sys/bus/pci/devices/%s/config", port);
	snprintf(remove, sizeof(remove), "/sys/bus/pci/devices/%s/remove", address);
	fd = open(config, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s", config, strerror(errno));
	express = express_capability(fd);
	do {
		uint16_t status = config_read(fd, express + PCI_EXP_SLTSTA);
		uint16_t control = config_read(fd, express + PCI_EXP_SLTCTL);
		bool off = (control & SLOT_POWER) == SLOT_OFF;

		found = !access(remove, F_OK);
		if (!(status & PCI_EXP_SLTSTA_PDS)) {
			if (!off)
				slot_power(fd, express, SLOT_OFF);
		} else if (!found) {
			/* The button says that something was plugged in */
			if (off)
				config_write(fd, express + PCI_EXP_SLTSTA,
					     PCI_EXP_SLTSTA_ABP);
			slot_power(fd, express, SLOT_ON);
			usleep(100000);
			rescan(address);
		} else if (status & PCI_EXP_SLTSTA_ABP) {
			/* Waits like unbinding */
			file_write("1", "%s", remove);
			config_write(fd, express + PCI_EXP_SLTSTA,
				     PCI_EXP_SLTSTA_ABP);
			slot_power(fd, express, SLOT_OFF);
			count(DISTURBED);
			found = false;
		}
		usleep(50000);
	} while (!over() || !found);
	close(fd);
}

/* Readers meet whatever changes what they read */
static void look(void)
{
	static const char * const files[] = {
		"/sys/kernel/debug/iommu_msi/domains",
		"/sys/kernel/debug/iommu_msi/groups",
	};
	char text[4096];
	int fd;

	while (!over()) {
		fd = open(files[below(2)], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail("nothing to look at: %s", strerror(errno));
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
		count(DISTURBED);
		usleep(below(50000));
	}
}

/*
 * Has KVM made it a machine? One that is killed before leaks memory, also on
 * the base: kvm_create_vm() fails when a signal is pending, and on arm64
 * kvm_arch_destroy_vm() does not free the stage 2 table.
 */
static bool guest_begun(pid_t pid)
{
	DIR *dir = opendir("/sys/kernel/debug/kvm");
	struct dirent *entry;
	bool begun = false;

	if (!dir)
		fail("KVM is not in debugfs: %s", strerror(errno));
	while ((entry = readdir(dir)))
		begun |= atoi(entry->d_name) == pid;
	closedir(dir);
	return begun;
}

/* The end of what the guest's console and its QEMU have said */
static void guest_said(char *text, size_t size)
{
	int fd = open(GUEST_LOG, O_RDONLY | O_CLOEXEC);
	off_t end;
	ssize_t n;

	if (fd < 0) {
		snprintf(text, size, "%s: %s", GUEST_LOG, strerror(errno));
		return;
	}
	end = lseek(fd, 0, SEEK_END);
	lseek(fd, end > (off_t)size - 1 ? end - (off_t)size + 1 : 0, SEEK_SET);
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* Reads nothing, and what it says goes to the log */
static void guest_streams(int input)
{
	int log = open(GUEST_LOG, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (log < 0)
		err(1, GUEST_LOG);
	if (dup2(input, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		err(1, "dup2");
}

/* Guests take their time to start: some die early, some late */
static void guests(const char *address)
{
	char device[64], text[512];
	int ret, status, quiet[2];

	snprintf(device, sizeof(device), "vfio-pci,host=%s", address);
	ret = device_to_vfio(address);
	if (ret)
		fail("not given to vfio-pci: %s", strerror(-ret));
	/* Nothing is ever written to it: the guest waits for its last line */
	if (pipe2(quiet, O_CLOEXEC))
		fail("pipe: %s", strerror(errno));
	while (!over()) {
		time_t end = now() + paced(1 + below(40));
		pid_t pid = fork();

		if (pid < 0)
			fail("fork: %s", strerror(errno));
		if (!pid) {
			guest_streams(quiet[0]);
			execlp("qemu-system-aarch64", "qemu-system-aarch64",
			       "-M", "virt,gic-version=3", "-accel", "kvm",
			       "-cpu", "host", "-smp", "2", "-m", "128",
			       "-nodefaults",
			       "-display", "none", "-no-reboot",
			       "-monitor", "none", "-serial", "stdio",
			       "-kernel", "/stress/Image",
			       "-initrd", "/stress/guest.cpio",
			       "-append", "console=ttyAMA0 loglevel=5",
			       "-device", device, NULL);
			err(1, "qemu-system-aarch64");
		}
		while (!guest_begun(pid) || (now() < end && !over())) {
			if (waitpid(pid, &status, WNOHANG) == pid) {
				guest_said(text, sizeof(text));
				fail("a guest ended by itself, status %#x: %s",
				     status, text);
			}
			usleep(100000);
		}
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		count(DISTURBED);
	}
}

/* ------------------------------------------------------------------------- */

static void work(char *what)
{
	char *kind = strsep(&what, ":"), *backend_name = NULL;
	enum backend backend;

	self->purpose = DISTURBED;
	if (!strcmp(kind, "affinity") && !what)
		return affinity();
	if (!strcmp(kind, "look") && !what)
		return look();
	if (!strcmp(kind, "unbind") && what)
		return unbind(what);
	if (!strcmp(kind, "remove") && what)
		return remove_device(what);
	if (!strcmp(kind, "slot") && what)
		return slot(what);
	if (!strcmp(kind, "guest") && what)
		return guests(what);
	if (what)
		backend_name = strsep(&what, ":");
	if (!what)
		errx(2, "%s: not a worker", self->worker.name);
	if (!strcmp(backend_name, "type1"))
		backend = TYPE1;
	else if (!strcmp(backend_name, "iommufd"))
		backend = IOMMUFD;
	else
		errx(2, "%s: neither type1 nor iommufd", self->worker.name);
	self->purpose = strcmp(kind, "net") ? RAISED : ENABLED;
	if (!strcmp(kind, "edu"))
		one_msi(what, backend, edu_raise);
	else if (!strcmp(kind, "net"))
		one_msi(what, backend, net_msix);
	else if (!strcmp(kind, "nvme"))
		many_msix(what, backend, 8);
	else
		errx(2, "%s: not a worker", self->worker.name);
}

static void start(int index, char *what)
{
	self = &stressors[index];
	if (!worker_start(&crew, &self->worker, what))
		return;
	random_init(seed, index);
	work(what);
	_exit(0);
}

static void progress(time_t seconds)
{
	uint64_t sum[COUNTS] = {};
	int i, j;

	for (i = 0; i < crew.count; i++)
		for (j = 0; j < COUNTS; j++)
			sum[j] += stressors[i].counts[j];
	(void)seconds;
	printf("stress: %4ld s, %" PRIu64 " raised, %" PRIu64 " received, %"
	       PRIu64 " enabled\n", now() - begin, sum[RAISED], sum[RECEIVED],
	       sum[ENABLED]);
}

static void table(void)
{
	int i, j;

	printf("stress: %-38s", "");
	for (j = 0; j < COUNTS; j++)
		printf(" %9s", count_names[j]);
	printf("\n");
	for (i = 0; i < crew.count; i++) {
		printf("stress: %-38s", stressors[i].worker.name);
		for (j = 0; j < COUNTS; j++)
			printf(" %9" PRIu64, stressors[i].counts[j]);
		printf("\n");
	}
}

/* Who still has a device would be taken for a doorbell that is left */
static void stop_all(void)
{
	time_t end = now() + paced(10);

	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && now() < end)
		usleep(10000);
}

static int verdict(bool good)
{
	int i, left = doorbells_count();

	table();
	for (i = 0; i < crew.count; i++) {
		if (stressors[i].counts[RAISED] != stressors[i].counts[RECEIVED]) {
			printf("stress: %s: %" PRIu64 " interrupts lost\n",
			       stressors[i].worker.name, stressors[i].counts[RAISED] -
			       stressors[i].counts[RECEIVED]);
			good = false;
		}
		if (!stressors[i].counts[stressors[i].purpose]) {
			printf("stress: %s has not %s anything\n",
			       stressors[i].worker.name, count_names[stressors[i].purpose]);
			good = false;
		}
	}
	if (left) {
		printf("stress: %d doorbells are left\n", left);
		good = false;
	}
	printf("stress: seed %u, %s\n", seed, good ? "passed" : "failed");
	return !good;
}

int main(int argc, char **argv)
{
	bool good;
	int i, ret;

	if (argc < 4 || argc - 3 > MAX_WORKERS || atoi(argv[1]) <= 0)
		errx(2, "usage: stress SECONDS SEED WORKER..., at most %d of them",
		     MAX_WORKERS);
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = strtoul(argv[2], NULL, 0);
	begin = now();
	crew.deadline = begin + atoi(argv[1]);
	crew.patience = STALLED;
	crew.progress = progress;
	stressors = memory_new(sizeof(*stressors) * MAX_WORKERS);
	if (!stressors)
		errx(1, "no memory");
	/*
	 * No driver of the kernel's own needs to start what comes back: that
	 * takes time, and the PCI core's lock for as long
	 */
	ret = file_write("0", "/sys/bus/pci/drivers_autoprobe");
	if (ret)
		errx(1, "cannot keep drivers from devices: %s", strerror(-ret));
	printf("stress: seed %u, %s seconds\n", seed, argv[1]);
	/* All that it starts is to be stopped, and nobody else */
	if (setpgid(0, 0) && getpgrp() != getpid())
		err(1, "setpgid");
	for (i = 3; i < argc; i++)
		start(i - 3, argv[i]);
	good = crew_wait(&crew);
	if (!good)
		stop_all();
	return verdict(good);
}
