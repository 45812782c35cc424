// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbells that a machine has
 *
 * Irqchips say where their doorbells are. That gives each of their pages a
 * number, which decides where it goes in a window, and tells what is exposed to
 * whoever owns a device.
 * It also tells how many pages of a window a device needs.
 */
#define pr_fmt(fmt) "iommu-msi: " fmt

#include <linux/irqdomain.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/msi-iommu.h>
#include <linux/range.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

/* Doorbell pages, whatever the kernel's and the IOMMU's are */
#define IOMMU_MSI_PAGE_SHIFT	12U
/* A larger frame has one doorbell for each device */
#define IOMMU_MSI_FRAME_PAGES	16

/* The number of each doorbell page of the machine by its PFN; kept for ever */
static DEFINE_XARRAY(iommu_msi_numbers);
/* The next one, protected by the xarray's lock */
static unsigned int iommu_msi_numbered;

/**
 * struct iommu_msi_frame - doorbells that an irqchip has registered
 * @node: in iommu_msi_frames
 * @domain: irq domain whose interrupts arrive there
 * @first: lowest byte that messages are written to
 * @last: highest byte
 * @harmless: what may be exposed along with it
 * @index: how many were registered before
 * @warned: what else is exposed has been said
 * @rcu: readers of iommu_msi_frames may hold on to it
 *
 * Nothing but @warned changes once it is listed.
 */
struct iommu_msi_frame {
	struct list_head node;
	struct irq_domain *domain;
	phys_addr_t first;
	phys_addr_t last;
	struct range harmless;
	unsigned int index;
	atomic_t warned;
	struct rcu_head rcu;
};

/* Changed under the mutex, read under RCU */
static LIST_HEAD(iommu_msi_frames);
static DEFINE_MUTEX(iommu_msi_frames_lock);
static unsigned int iommu_msi_frames_registered;

/* The lowest number of a doorbell page in [first, last], or -ENOENT */
static int iommu_msi_lowest_number(unsigned long first, unsigned long last)
{
	int lowest = INT_MAX;
	unsigned long pfn;
	void *entry;

	xa_for_each_range(&iommu_msi_numbers, pfn, entry, first, last)
		lowest = min_t(int, lowest, xa_to_value(entry));
	return lowest == INT_MAX ? -ENOENT : lowest;
}

/*
 * The number of the doorbell page that @addr is in; of the lowest one in an IOMMU
 * page of more. What was not registered gets one here. -ENOMEM if it cannot.
 */
int iommu_msi_number(phys_addr_t addr, unsigned int pgshift)
{
	unsigned int order = max(pgshift, IOMMU_MSI_PAGE_SHIFT) - IOMMU_MSI_PAGE_SHIFT;
	unsigned long pfn = addr >> IOMMU_MSI_PAGE_SHIFT;
	unsigned long first = pfn >> order << order;
	unsigned long last = first + (1UL << order) - 1;
	int number, ret;

	number = iommu_msi_lowest_number(first, last);
	if (number >= 0)
		return number;

	ret = xa_reserve(&iommu_msi_numbers, pfn, GFP_KERNEL);
	if (ret)
		return ret;
	xa_lock(&iommu_msi_numbers);
	/* Somebody else may have been faster, with a page beside it */
	if (iommu_msi_lowest_number(first, last) < 0)
		__xa_store(&iommu_msi_numbers, pfn,
			   xa_mk_value(iommu_msi_numbered++), GFP_NOWAIT);
	xa_unlock(&iommu_msi_numbers);
	return iommu_msi_lowest_number(first, last);
}

/* One after the other; what cannot be had is numbered when it is first used */
static void iommu_msi_number_frame(const struct iommu_msi_frame *frame)
{
	u64 pages = (frame->last >> IOMMU_MSI_PAGE_SHIFT) -
		    (frame->first >> IOMMU_MSI_PAGE_SHIFT) + 1;
	u64 i;

	if (pages > IOMMU_MSI_FRAME_PAGES)
		return;
	for (i = 0; i < pages; i++)
		iommu_msi_number(frame->first + (i << IOMMU_MSI_PAGE_SHIFT),
				 IOMMU_MSI_PAGE_SHIFT);
}

/**
 * iommu_msi_register_doorbell - Tell of doorbells that the machine has
 * @domain: irq domain whose interrupts arrive at the doorbells; an ancestor of
 *	    those of the devices, or their own
 * @doorbell: first and last byte, by physical address, that messages are written
 *	      to
 * @harmless: first and last byte of what may be exposed to who owns a device: a
 *	      frame that holds nothing but doorbells
 *
 * This is advice. The doorbell of an irqchip that does not call it, or whose call
 * fails, is mapped all the same; but where in a window depends on when it is
 * first used, how many pages a window needs does not include it, and what is
 * exposed with it is not said. So an irqchip logs a failure, and goes on.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL if @doorbell ends before it starts; -ENOMEM.
 */
int iommu_msi_register_doorbell(struct irq_domain *domain,
				const struct range *doorbell,
				const struct range *harmless)
{
	struct iommu_msi_frame *frame;

	if (doorbell->end < doorbell->start)
		return -EINVAL;

	frame = kzalloc(sizeof(*frame), GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	frame->domain = domain;
	frame->first = doorbell->start;
	frame->last = doorbell->end;
	/* Messages reach all of the doorbells anyway */
	frame->harmless.start = min(doorbell->start, harmless->start);
	frame->harmless.end = max(doorbell->end, harmless->end);

	guard(mutex)(&iommu_msi_frames_lock);
	frame->index = iommu_msi_frames_registered++;
	iommu_msi_number_frame(frame);
	list_add_tail_rcu(&frame->node, &iommu_msi_frames);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_register_doorbell, IOMMU_MSI);

/**
 * iommu_msi_unregister_doorbells - Tell that an irq domain is going away
 * @domain: irq domain as given to iommu_msi_register_doorbell()
 *
 * The pages of its doorbells keep their numbers.
 *
 * Context: Process context. May sleep.
 */
void iommu_msi_unregister_doorbells(struct irq_domain *domain)
{
	struct iommu_msi_frame *frame, *next;

	guard(mutex)(&iommu_msi_frames_lock);
	list_for_each_entry_safe(frame, next, &iommu_msi_frames, node) {
		if (frame->domain != domain)
			continue;
		list_del_rcu(&frame->node);
		kfree_rcu(frame, rcu);
	}
}
EXPORT_SYMBOL_NS_GPL(iommu_msi_unregister_doorbells, IOMMU_MSI);

/*
 * Says what else devices that user space owns can write to now that the pages
 * from @pa on are mapped for the doorbell at @addr. Whoever set the window has
 * seen to it that the user may.
 */
void iommu_msi_warn_exposure(phys_addr_t addr, phys_addr_t pa, size_t size)
{
	phys_addr_t last = pa + (size - 1);
	struct iommu_msi_frame *frame;

	guard(rcu)();
	list_for_each_entry_rcu(frame, &iommu_msi_frames, node) {
		if (addr < frame->first || addr > frame->last)
			continue;
		if ((pa < frame->harmless.start || last > frame->harmless.end) &&
		    !atomic_xchg(&frame->warned, 1))
			pr_warn("the page of MSI doorbell %pa is %pa-%pa and exposes what is outside of %#llx-%#llx to the owner of a device\n",
				&addr, &pa, &last, frame->harmless.start,
				frame->harmless.end);
		return;
	}
}

static bool iommu_msi_domain_descends(const struct irq_domain *domain,
				      const struct irq_domain *from)
{
	for (; domain; domain = domain->parent)
		if (domain == from)
			return true;
	return false;
}

/*
 * Counts the pages of each frame once, however many devices share it. Of a frame
 * with a doorbell for each device every device has one.
 */
static void iommu_msi_survey_frame(struct iommu_msi_survey *survey,
				   const struct iommu_msi_frame *frame)
{
	unsigned int pgshift = __ffs(survey->page_size);
	u64 pages = (frame->last >> pgshift) - (frame->first >> pgshift) + 1;

	if (frame->last - frame->first >= IOMMU_MSI_FRAME_PAGES << IOMMU_MSI_PAGE_SHIFT)
		survey->pages++;
	else if (frame->index < IOMMU_MSI_SURVEY_FRAMES &&
		 !__test_and_set_bit(frame->index, survey->frames))
		survey->pages += pages;
}

/* Counts the pages that the doorbells of a device's irq domain take */
void iommu_msi_survey_frames(struct iommu_msi_survey *survey, struct device *dev)
{
	struct irq_domain *domain = dev_get_msi_domain(dev);
	struct iommu_msi_frame *frame;

	guard(rcu)();
	list_for_each_entry_rcu(frame, &iommu_msi_frames, node)
		if (iommu_msi_domain_descends(domain, frame->domain))
			iommu_msi_survey_frame(survey, frame);
}
