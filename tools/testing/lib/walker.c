// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "phys.h"
#include "walker.h"

#define DEVICES		"/sys/bus/pci/devices/"
#define MAX_MESSAGES	2048

bool walker_wanted(void)
{
	const char *walker = getenv("WALKER");

	return walker && !strcmp(walker, "1");
}

/* --- where messages must end --------------------------------------------- */

/* The address in the name of a node that matches */
static int node_address(const char *pattern, uint64_t *at)
{
	glob_t found;

	if (glob(pattern, 0, NULL, &found))
		return -ENOENT;
	*at = strtoull(strrchr(found.gl_pathv[0], '@') + 1, NULL, 16);
	globfree(&found);
	return 0;
}

/* GITS_TRANSLATER of an ITS, or SETSPI of a GICv2m frame */
static int find_doorbell(uint64_t *at)
{
	if (!node_address("/proc/device-tree/intc@*/its@*", at))
		*at += 0x10040;
	else if (!node_address("/proc/device-tree/intc@*/v2m@*", at))
		*at += 0x40;
	else
		return -ENOENT;
	return 0;
}

int walker_open(struct walker *walker)
{
	int ret;

	*walker = (struct walker) {};
	ret = smmu_open(&walker->smmu);
	if (ret)
		return ret;
	ret = find_doorbell(&walker->doorbell);
	if (ret)
		walker_close(walker);
	return ret;
}

void walker_close(struct walker *walker)
{
	smmu_close(&walker->smmu);
}

/* --- what devices hold --------------------------------------------------- */

/* All that the device has, not what VFIO lets a user see of it */
static int read_config(const char *bdf, uint8_t *space, size_t size)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), DEVICES "%s/config", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, space, size);
	close(fd);
	return n == (ssize_t)size ? 0 : -EIO;
}

static uint32_t word(const uint8_t *space, int at, int bytes)
{
	uint32_t value = 0;

	while (bytes--)
		value = value << 8 | space[at + bytes];
	return value;
}

static int capability(const uint8_t *space, uint8_t id)
{
	int at = space[PCI_CAPABILITY_LIST] & ~3, left = 48;

	while (at && left-- && space[at] != id)
		at = space[at + PCI_CAP_LIST_NEXT] & ~3;
	return at && space[at] == id ? at : 0;
}

/* Where a BAR begins, as the CPU sees it */
static int bar_start(const char *bdf, int bar, uint64_t *start)
{
	char path[128], line[128];
	FILE *file;
	int ret = -ENOENT;

	snprintf(path, sizeof(path), DEVICES "%s/resource", bdf);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (bar-- >= 0)
		if (!fgets(line, sizeof(line), file))
			break;
	if (bar < -1 && sscanf(line, "%" SCNx64, start) == 1 && *start)
		ret = 0;
	fclose(file);
	return ret;
}

/* One address for all that it has */
static int msi_messages(const uint8_t *space, int cap, uint64_t *at, int max)
{
	uint16_t flags = word(space, cap + PCI_MSI_FLAGS, 2);
	int i, count = 1 << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4);

	if (!(flags & PCI_MSI_FLAGS_ENABLE))
		return 0;
	if (count > max)
		return -E2BIG;
	for (i = 0; i < count; i++) {
		at[i] = word(space, cap + PCI_MSI_ADDRESS_LO, 4);
		if (flags & PCI_MSI_FLAGS_64BIT)
			at[i] |= (uint64_t)word(space, cap + PCI_MSI_ADDRESS_HI, 4) << 32;
	}
	return count;
}

static int msix_messages(struct walker *walker, const char *bdf, const uint8_t *space,
			 int cap, uint64_t *at, int max)
{
	uint16_t flags = word(space, cap + PCI_MSIX_FLAGS, 2);
	uint32_t where = word(space, cap + PCI_MSIX_TABLE, 4), low, high, control;
	int i, ret, count = 0, fd = walker->smmu.phys;
	uint64_t table;

	if (!(flags & PCI_MSIX_FLAGS_ENABLE) || flags & PCI_MSIX_FLAGS_MASKALL)
		return 0;
	/* Nothing answers otherwise */
	if (!(word(space, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return -ENXIO;
	ret = bar_start(bdf, where & PCI_MSIX_TABLE_BIR, &table);
	if (ret)
		return ret;
	table += where & PCI_MSIX_TABLE_OFFSET;
	for (i = 0; i <= (flags & PCI_MSIX_FLAGS_QSIZE); i++, table += PCI_MSIX_ENTRY_SIZE) {
		ret = phys_register(fd, table + PCI_MSIX_ENTRY_VECTOR_CTRL, &control);
		if (!ret && control & PCI_MSIX_ENTRY_CTRL_MASKBIT)
			continue;
		ret = ret ?: phys_register(fd, table + PCI_MSIX_ENTRY_LOWER_ADDR, &low) ?:
		      phys_register(fd, table + PCI_MSIX_ENTRY_UPPER_ADDR, &high);
		if (ret)
			return ret;
		if (count == max)
			return -E2BIG;
		at[count++] = (uint64_t)high << 32 | low;
	}
	return count;
}

int walker_messages(struct walker *walker, const char *bdf, uint64_t *at, int max)
{
	uint8_t space[256];
	int cap, n = 0, ret = read_config(bdf, space, sizeof(space));

	if (ret)
		return ret;
	cap = capability(space, PCI_CAP_ID_MSI);
	if (cap)
		n = msi_messages(space, cap, at, max);
	if (n)
		return n;
	cap = capability(space, PCI_CAP_ID_MSIX);
	return cap ? msix_messages(walker, bdf, space, cap, at, max) : 0;
}

/* --- the verdict --------------------------------------------------------- */

__attribute__((format(printf, 2, 3)))
static bool wrong(struct walker *walker, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(walker->wrong, sizeof(walker->wrong), format, args);
	va_end(args);
	return false;
}

/* May the device write there, and nothing more? */
static const char *permissions(const struct smmu_stream *stream,
			       const struct smmu_walk *walk)
{
	if (!walk->write)
		return "cannot be written to";
	/* Tables of stage 1 have no way to say that */
	if (walk->read && stream->stage == 2)
		return "can be read";
	if (walk->execute)
		return "can be executed";
	if (!walk->device)
		return "is not device memory";
	if (walk->size != 1ULL << stream->granule)
		return "is more than a page";
	return NULL;
}

static bool check_message(struct walker *walker, uint64_t at)
{
	const char *not_allowed;
	int ret = smmu_walk(&walker->smmu, &walker->stream, at, &walker->walk);

	walker->message = at;
	if (ret)
		return wrong(walker, "%#" PRIx64 ": %s", at, strerror(-ret));
	if (walker->walk.fault)
		return wrong(walker, "%#" PRIx64 ": %s", at, walker->walk.fault);
	if (walker->walk.pa != walker->doorbell)
		return wrong(walker, "%#" PRIx64 " leads to %#" PRIx64, at, walker->walk.pa);
	not_allowed = permissions(&walker->stream, &walker->walk);
	if (not_allowed)
		return wrong(walker, "%#" PRIx64 " %s", at, not_allowed);
	return true;
}

static bool remember_page(struct walker *walker, uint64_t page)
{
	int i;

	for (i = 0; i < walker->mapped; i++)
		if (walker->page[i] == page)
			return true;
	if (walker->mapped == WALKER_PAGES)
		return wrong(walker, "vectors write to more than %d pages", WALKER_PAGES);
	walker->page[walker->mapped++] = page;
	return true;
}

static bool check_device(struct walker *walker, const char *bdf)
{
	static uint64_t at[MAX_MESSAGES];
	uint64_t page;
	int i, n, ret;

	n = walker_messages(walker, bdf, at, MAX_MESSAGES);
	if (n < 0)
		return wrong(walker, "%s: its vectors: %s", bdf, strerror(-n));
	ret = smmu_find(&walker->smmu, bdf, &walker->stream);
	if (ret)
		return wrong(walker, "%s: its stream: %s", bdf, strerror(-ret));
	if (walker->stream.fate == SMMU_BYPASSES ||
	    (n && walker->stream.fate == SMMU_FAULTS))
		return wrong(walker, "%s: %s", bdf, walker->stream.why);
	for (i = 0; i < n; i++) {
		page = at[i] >> walker->stream.granule << walker->stream.granule;
		if (!check_message(walker, at[i]) || !remember_page(walker, page))
			return false;
	}
	walker->vectors += n;
	return true;
}

static bool is_used(const struct walker *walker, uint64_t page)
{
	int i;

	for (i = 0; i < walker->mapped; i++)
		if (walker->page[i] == page)
			return true;
	return false;
}

/* A window that a vector does not write to has no page that is mapped */
static bool check_window(struct walker *walker, uint64_t first, uint64_t last)
{
	struct smmu_walk walk;
	uint64_t at, page;
	int ret;

	/* Of a stream that faults, all pages do */
	if (walker->stream.fate == SMMU_FAULTS)
		return true;
	page = 1ULL << walker->stream.granule;
	for (at = first; at <= last; at += page) {
		walker->pages++;
		if (is_used(walker, at))
			continue;
		ret = smmu_walk(&walker->smmu, &walker->stream, at, &walk);
		if (ret)
			return wrong(walker, "%#" PRIx64 ": %s", at, strerror(-ret));
		if (!walk.fault)
			return wrong(walker, "%#" PRIx64 " is mapped, to %#" PRIx64, at, walk.pa);
		walker->faults++;
	}
	if (walker->mapped + walker->faults != walker->pages)
		return wrong(walker, "a vector writes to what is not the window");
	return true;
}

static void begin(struct walker *walker)
{
	walker->wrong[0] = '\0';
	walker->vectors = 0;
	walker->pages = 0;
	walker->mapped = 0;
	walker->faults = 0;
}

bool walker_check(struct walker *walker, const char *bdf, const char *other,
		  uint64_t first, uint64_t last)
{
	struct smmu_stream stream;

	begin(walker);
	if (!check_device(walker, bdf))
		return false;
	stream = walker->stream;
	if (other && !check_device(walker, other))
		return false;
	if (other && (stream.bank != walker->stream.bank || stream.root != walker->stream.root))
		return wrong(walker, "%s and %s are not in one domain", bdf, other);
	return check_window(walker, first, last);
}

bool walker_vouches(const char *bdf, bool *really)
{
	struct walker walker;
	int ret = walker_open(&walker);
	bool right;

	if (ret) {
		printf("# no walker: %s\n", strerror(-ret));
		return false;
	}
	begin(&walker);
	right = check_device(&walker, bdf) &&
		(walker.vectors || wrong(&walker, "%s: no vector is enabled", bdf));
	if (!right)
		printf("# walker: %s\n", walker.wrong);
	*really = walker.message == walker.doorbell;
	walker_close(&walker);
	return right;
}
