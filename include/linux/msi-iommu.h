/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells in IOMMU domains that the DMA layer does not own
 */
#ifndef __LINUX_MSI_IOMMU_H
#define __LINUX_MSI_IOMMU_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/msi.h>
#include <linux/range.h>

/**
 * struct iommu_msi_aperture - a domain and the MSI window that it shall have
 * @domain: the domain
 * @start: first IOVA, in bytes
 * @end: last IOVA, in bytes, inclusive
 */
struct iommu_msi_aperture {
	struct iommu_domain *domain;
	u64 start;
	u64 end;
};

/* A window with one page alone is one */
static inline bool iommu_msi_window_set(const struct range *window)
{
	return window->end > window->start;
}

static inline bool iommu_msi_window_meets(const struct range *window, u64 first,
					  u64 last)
{
	return iommu_msi_window_set(window) && first <= window->end &&
	       last >= window->start;
}

/* Of how many registered doorbells the first that count */
#define IOMMU_MSI_SURVEY_FRAMES	256

/**
 * struct iommu_msi_survey - what domains have for MSIs, and what devices ask
 * @window: the MSI window: of the domain with fewest free pages, else the user's,
 *	    else what the IOMMU lets pass; unset if @window.start > @window.end
 * @page_size: bytes of a page in the window, the smallest of the domain
 * @translated: a domain has a window
 * @in_use: a doorbell is mapped in one of the domains
 * @pages_used: pages of the window that doorbells are mapped in
 * @pages_free: pages of the window that can be handed out
 * @devices: devices asked
 * @pages: pages that the doorbells need at most of those that are translated: of
 *	   several doorbells of an irq domain a device may use any
 * @limit: last address that all of those can write a message to
 * @hw_msi: for some device the IOMMU lets a range of doorbells pass
 * @frames: those that have been counted, by their index
 */
struct iommu_msi_survey {
	struct range window;
	unsigned long page_size;
	bool translated;
	bool in_use;
	unsigned long pages_used;
	unsigned long pages_free;
	unsigned int devices;
	unsigned long pages;
	u64 limit;
	bool hw_msi;
	DECLARE_BITMAP(frames, IOMMU_MSI_SURVEY_FRAMES);
};

/* Can the user set a window now? */
static inline bool iommu_msi_survey_programmable(const struct iommu_msi_survey *survey)
{
	return !survey->in_use && (!survey->devices || survey->translated);
}

#ifdef CONFIG_IOMMU_MSI

int iommu_get_msi_cookie(struct iommu_domain *domain);
void iommu_put_msi_cookie(struct iommu_domain *domain);
int iommu_msi_set_aperture(struct iommu_domain *domain, dma_addr_t start,
			   dma_addr_t end);
int iommu_msi_set_apertures(const struct iommu_msi_aperture *apertures,
			    unsigned int count);
void iommu_domain_msi_geometry(struct iommu_domain *domain,
			       struct iommu_domain_msi_geometry *geometry);
bool iommu_domain_msi_aperture_valid(struct iommu_domain *domain);

int iommu_msi_get_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr,
				size_t size, int prot, dma_addr_t *iova);
void iommu_msi_put_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr);

struct iommu_domain *iommu_msi_domain(struct device *dev);
int iommu_msi_msg_pa_to_va(struct device *dev, struct msi_msg *msg);

void iommu_msi_release_desc(struct msi_desc *desc);

int iommu_msi_register_doorbell(struct irq_domain *domain,
				const struct range *doorbell,
				const struct range *harmless);
void iommu_msi_unregister_doorbells(struct irq_domain *domain);

void iommu_msi_get_resv_region(struct device *dev, struct list_head *head,
			       dma_addr_t first, dma_addr_t last);

void iommu_msi_survey_init(struct iommu_msi_survey *survey,
			   unsigned long page_size, const struct range *window);
void iommu_msi_survey_domain(struct iommu_msi_survey *survey,
			     struct iommu_domain *domain);
int iommu_msi_survey_device(struct device *dev, void *data);
int iommu_msi_check_window(const struct iommu_domain *domain,
			   const struct iommu_msi_survey *survey,
			   const struct range *window);
int iommu_msi_check_devices(const struct range *window,
			    const struct iommu_msi_survey *survey,
			    struct list_head *regions);
struct range iommu_msi_suggested_window(struct list_head *regions);
struct range iommu_msi_highest_window(const struct iommu_domain *domain,
				      struct device *dev);
__printf(2, 3)
void iommu_msi_window_refused(const struct range *window, const char *fmt, ...);

#else /* CONFIG_IOMMU_MSI */

static inline int iommu_get_msi_cookie(struct iommu_domain *domain)
{
	return -ENODEV;
}

static inline void iommu_put_msi_cookie(struct iommu_domain *domain)
{
}

static inline int iommu_msi_set_aperture(struct iommu_domain *domain,
					 dma_addr_t start, dma_addr_t end)
{
	return -ENODEV;
}

static inline int
iommu_msi_set_apertures(const struct iommu_msi_aperture *apertures,
			unsigned int count)
{
	return count ? -ENODEV : 0;
}

static inline void
iommu_domain_msi_geometry(struct iommu_domain *domain,
			  struct iommu_domain_msi_geometry *geometry)
{
	*geometry = (struct iommu_domain_msi_geometry) {};
}

static inline bool iommu_domain_msi_aperture_valid(struct iommu_domain *domain)
{
	return false;
}

static inline int iommu_msi_get_doorbell_iova(struct iommu_domain *domain,
					      phys_addr_t addr, size_t size,
					      int prot, dma_addr_t *iova)
{
	return -ENODEV;
}

static inline void iommu_msi_put_doorbell_iova(struct iommu_domain *domain,
					       phys_addr_t addr)
{
}

static inline struct iommu_domain *iommu_msi_domain(struct device *dev)
{
	return NULL;
}

static inline int iommu_msi_msg_pa_to_va(struct device *dev,
					 struct msi_msg *msg)
{
	return 0;
}

static inline void iommu_msi_release_desc(struct msi_desc *desc)
{
}

static inline int iommu_msi_register_doorbell(struct irq_domain *domain,
					      const struct range *doorbell,
					      const struct range *harmless)
{
	return 0;
}

static inline void iommu_msi_unregister_doorbells(struct irq_domain *domain)
{
}

#ifdef CONFIG_IOMMU_API
/* No irqchip maps a doorbell there; what is reserved stays as it always was */
static inline void iommu_msi_get_resv_region(struct device *dev,
					     struct list_head *head,
					     dma_addr_t first, dma_addr_t last)
{
	struct iommu_resv_region *region;

	region = iommu_alloc_resv_region(0x8000000, 0x100000,
					 IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
					 IOMMU_RESV_SW_MSI, GFP_KERNEL);
	if (region)
		list_add_tail(&region->list, head);
}
#endif

static inline void iommu_msi_survey_init(struct iommu_msi_survey *survey,
					 unsigned long page_size,
					 const struct range *window)
{
	*survey = (struct iommu_msi_survey) {
		.window = { 1, 0 },
		.page_size = page_size,
	};
}

static inline void iommu_msi_survey_domain(struct iommu_msi_survey *survey,
					   struct iommu_domain *domain)
{
}

static inline int iommu_msi_survey_device(struct device *dev, void *data)
{
	return 0;
}

static inline int iommu_msi_check_window(const struct iommu_domain *domain,
					 const struct iommu_msi_survey *survey,
					 const struct range *window)
{
	return -ENODEV;
}

static inline int iommu_msi_check_devices(const struct range *window,
					  const struct iommu_msi_survey *survey,
					  struct list_head *regions)
{
	return 0;
}

static inline struct range iommu_msi_suggested_window(struct list_head *regions)
{
	return (struct range) {};
}

static inline struct range
iommu_msi_highest_window(const struct iommu_domain *domain, struct device *dev)
{
	return (struct range) {};
}

static inline __printf(2, 3) void
iommu_msi_window_refused(const struct range *window, const char *fmt, ...)
{
}

#endif /* CONFIG_IOMMU_MSI */
#endif /* __LINUX_MSI_IOMMU_H */
