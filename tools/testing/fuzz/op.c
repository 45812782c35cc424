// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "op.h"

int fds[SLOTS];
struct object objects[MAX_OBJECTS];
struct mapping mappings[MAX_MAPPINGS];
int mapping_count;
struct window window;
uint32_t device_id;
uint32_t live_index;
int found;

static int object_next;

/* All that was open has been closed, with what was known of it */
void state_reset(void)
{
	found = 0;
	object_next = 0;
	device_id = 0;
	live_index = VFIO_PCI_MSI_IRQ_INDEX;
	mapping_count = 0;
	window = (struct window) { .start = 0x8000000, .last = 0x80fffff };
}

void count(enum kind_index kind, int64_t result)
{
	typeof(self->kinds[0]) *at = &self->kinds[kind];

	self->worker.steps++;
	at->called++;
	if (result >= 0)
		found += !at->succeeded++;
	else if (-result < MAX_ERRNO)
		found += !at->errnos[-result]++;
}

/* --- choices ------------------------------------------------------------- */

uint64_t choose_from(uint32_t bits, const uint64_t *list, int n)
{
	int index = (bits >> 4) % (4 * n);

	return list[index < n ? index : 0];
}

uint32_t argsz(const struct op *op, size_t size)
{
	return (op->call->bits >> 27) == 31 ? size - 4 : size;
}

static uint64_t value(const struct call *call, const struct value *v)
{
	static const uint64_t edges[] = {
		0, 0x8000000, 0x8100000, 0x80ff000, 0x1000, 0x100000, 0x10000,
		0x7fff000, 0xfee00000, 0xfffff000, 0x100000000, 0x7fffffffff,
		0xffffffff000, 1ULL << 47, 1ULL << 48, (1ULL << 48) - 0x1000,
		1ULL << 52, 1ULL << 63, ~0xfffULL, ~0ULL,
	};
	const struct mapping *m = NULL;
	uint64_t base = 0;

	if (mapping_count)
		m = &mappings[call->at.index % mapping_count];
	switch (v->base) {
	case EDGE: base = edges[v->index % ARRAY_SIZE(edges)]; break;
	case SPOT: base = (1 + v->index % 7) * 0x10000000ULL; break;
	case WINDOW_START: base = window.start; break;
	case WINDOW_END: base = window.last + 1; break;
	case WINDOW_SIZE: base = window.last + 1 - window.start; break;
	case MAPPED_START: base = m ? m->iova : 0; break;
	case MAPPED_END: base = m ? m->last + 1 : 0; break;
	case MAPPED_SIZE: base = m ? m->last + 1 - m->iova : 0x1000; break;
	case PAGES: base = (1 + v->index % 16) * 0x1000ULL; break;
	case WRAP: base = v == &call->at ? 0 : -value(call, &call->at); break;
	case FREE:
	default: base = 0x100000000ULL + v->index % 32 * 0x100000; break;
	}
	return base + v->offset;
}

uint64_t at_of(const struct op *op) { return value(op->call, &op->call->at); }
uint64_t size_of(const struct op *op) { return value(op->call, &op->call->size); }

int slot_pick(int first, int n, int choice)
{
	int i;

	for (i = 0; i < n; i++)
		if (fds[first + (choice + i) % n] >= 0)
			return first + (choice + i) % n;
	return first;
}

void use(struct op *op, int first, int n, int choice)
{
	op->slot = slot_pick(first, n, choice);
	op->fd = fds[op->slot];
}

void ioctl_on(struct op *op, unsigned long request)
{
	op->what = IOCTL;
	op->request = request;
}

static struct object nothing;

const struct object *object_pick(const struct op *op, int choice, bool hwpt_too)
{
	int i;

	nothing = (struct object) {
		.slot = slot_pick(IOMMU, 2, op->call->a),
		.id = choose(op->call->bits, 0, 1, 2, 3, ~0u),
	};
	if (choice == 7)
		return &nothing;
	for (i = 0; i < MAX_OBJECTS; i++) {
		const struct object *o = &objects[(choice + i) % MAX_OBJECTS];

		if (o->id && (hwpt_too || !o->hwpt))
			return o;
	}
	return &nothing;
}

const struct object *use_object(struct op *op, int choice, bool hwpt_too)
{
	const struct object *object = object_pick(op, choice, hwpt_too);

	op->slot = object->slot;
	op->fd = fds[op->slot];
	op->space = (struct space) {
		.backend = IOMMUFD, .fd = object == &nothing ? -1 : op->fd,
		.ioas = object->id,
	};
	return object;
}

void open_for(struct op *op, const char *path, int first, int n)
{
	op->what = OPEN;
	op->path = path;
	op->flags = O_RDWR;
	op->slot = first + op->call->a % n;
	op->installs = true;
}

/* --- what is remembered -------------------------------------------------- */

void object_add(int slot, bool hwpt, uint32_t id)
{
	int i;

	for (i = 0; i < MAX_OBJECTS; i++)
		if (objects[i].id == id && objects[i].slot == slot)
			return;
	objects[object_next++ % MAX_OBJECTS] = (struct object) {
		.slot = slot, .hwpt = hwpt, .id = id,
	};
}

void mapping_add(const struct op *op, uint32_t ioas, uint64_t iova, uint64_t size)
{
	if (!op->alone || mapping_count == MAX_MAPPINGS)
		return;
	mappings[mapping_count++] = (struct mapping) {
		.slot = op->slot, .ioas = ioas, .iova = iova,
		.last = iova + size - 1,
	};
}

void mappings_drop(int slot, uint32_t ioas, uint64_t first, uint64_t last)
{
	int i;

	for (i = mapping_count - 1; i >= 0; i--) {
		const struct mapping *m = &mappings[i];

		if (m->slot == slot && (ioas == ~0u || m->ioas == ioas) &&
		    m->iova <= last && m->last >= first)
			mappings[i] = mappings[--mapping_count];
	}
}

void object_drop(int slot, uint32_t id)
{
	int i;

	for (i = 0; i < MAX_OBJECTS; i++)
		if (objects[i].slot == slot && (id == ~0u || objects[i].id == id))
			objects[i].id = 0;
	mappings_drop(slot, id, 0, UINT64_MAX);
}

/* A container loses its mappings with its last group */
void containers_drop(void)
{
	mappings_drop(CONTAINER, 0, 0, UINT64_MAX);
	mappings_drop(CONTAINER + 1, 0, 0, UINT64_MAX);
}

void slot_closed(int slot)
{
	fds[slot] = -1;
	object_drop(slot, ~0u);
	if (slot < DEBUG)
		containers_drop();
}

void slot_close(int slot)
{
	if (fds[slot] < 0)
		return;
	cover_begin(FIRST);
	count(CLOSE_ANY, close(fds[slot]) ? -errno : 0);
	cover_end(FIRST);
	found += cover_new(FIRST);
	slot_closed(slot);
}

void opened(struct op *op)
{
	if (op->result < 0)
		return;
	slot_close(op->slot);
	fds[op->slot] = op->result;
}

/* --- what must be true --------------------------------------------------- */

bool query(struct space *space, struct window *answer)
{
	uint64_t pages;
	int ret = window_query(space, answer);

	count(space->backend == TYPE1 ? TYPE1_INFO : MSI_INFO, ret);
	if (ret == -ENOSYS)
		fail("a space does not tell its window");
	if (ret)
		return false;
	if (answer->start > answer->last)
		return true;
	pages = (answer->last - answer->start) / answer->granule + 1;
	if (pages > 4096)	/* the most that is handed out */
		pages = 4096;
	if (answer->flags & WINDOW_TRANSLATED &&
	    answer->used + answer->free != pages)
		fail("%" PRIu64 " pages used, %" PRIu64 " free, of %" PRIu64,
		     answer->used, answer->free, pages);
	window = *answer;
	return true;
}

/* A default window of nobody's is no reservation */
bool in_force(const struct window *w)
{
	return w->start <= w->last && (w->flags & WINDOW_USER || w->needed);
}

void no_overlap(struct op *op)
{
	uint32_t ioas = op->space.backend == IOMMUFD ? op->space.ioas : 0;
	struct window now;
	int i;

	if (!op->alone || op->space.fd < 0 || !query(&op->space, &now) || !in_force(&now))
		return;
	for (i = 0; i < mapping_count; i++) {
		const struct mapping *m = &mappings[i];

		if (m->slot == op->slot && m->ioas == ioas &&
		    m->iova <= now.last && m->last >= now.start)
			fail("mapping %#" PRIx64 "-%#" PRIx64 " is in window %#"
			     PRIx64 "-%#" PRIx64, m->iova, m->last, now.start,
			     now.last);
	}
}

void remember_window(struct op *op)
{
	op->known = op->alone && op->space.fd >= 0 &&
		    query(&op->space, &op->before);
}

void window_changed(struct op *op, uint64_t start, uint64_t size)
{
	struct window now;

	if (!op->known)
		return no_overlap(op);
	if (!query(&op->space, &now))
		fail("the window cannot be queried any more");
	if (op->result < 0 &&
	    (now.start != op->before.start || now.last != op->before.last ||
	     (now.flags ^ op->before.flags) & WINDOW_USER))
		fail("refused, and yet window %#" PRIx64 "-%#" PRIx64
		     " is now %#" PRIx64 "-%#" PRIx64, op->before.start,
		     op->before.last, now.start, now.last);
	if (op->result >= 0 && !size && now.flags & WINDOW_USER)
		fail("window %#" PRIx64 "-%#" PRIx64 " is still there",
		     now.start, now.last);
	if (op->result >= 0 && size &&
	    (now.start != start || now.last != start + size - 1 ||
	     !(now.flags & WINDOW_USER)))
		fail("window %#" PRIx64 ", %#" PRIx64 " was set, and %#" PRIx64
		     "-%#" PRIx64 " is there", start, size, now.start, now.last);
	no_overlap(op);
}
