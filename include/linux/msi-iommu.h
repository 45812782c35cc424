/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSI doorbells in IOMMU domains that the DMA layer does not own
 */
#ifndef __LINUX_MSI_IOMMU_H
#define __LINUX_MSI_IOMMU_H

#include <linux/errno.h>
#include <linux/iommu.h>
#include <linux/msi.h>

#ifdef CONFIG_IRQ_MSI_IOMMU

int iommu_msi_prepare_desc(struct msi_desc *desc, phys_addr_t addr, size_t size);

/**
 * iommu_msi_compose_msg - Apply the IOMMU's translation to an MSI message
 * @desc: descriptor prepared by iommu_msi_prepare_desc()
 * @msg: message with the physical address of the doorbell, or of a register
 *	 within the extent that was prepared
 *
 * Context: Any context. One addition.
 */
static inline void iommu_msi_compose_msg(const struct msi_desc *desc,
					 struct msi_msg *msg)
{
	u64 addr;

	if (!desc->iommu_msi_offset)
		return;

	addr = (u64)msg->address_hi << 32 | msg->address_lo;
	addr += desc->iommu_msi_offset;
	msg->address_hi = upper_32_bits(addr);
	msg->address_lo = lower_32_bits(addr);
}

#else /* CONFIG_IRQ_MSI_IOMMU */

static inline int iommu_msi_prepare_desc(struct msi_desc *desc,
					 phys_addr_t addr, size_t size)
{
	return 0;
}

static inline void iommu_msi_compose_msg(const struct msi_desc *desc,
					 struct msi_msg *msg)
{
}

#endif /* CONFIG_IRQ_MSI_IOMMU */

#ifdef CONFIG_IOMMU_MSI

int iommu_get_msi_cookie(struct iommu_domain *domain);
void iommu_put_msi_cookie(struct iommu_domain *domain);
int iommu_msi_set_aperture(struct iommu_domain *domain, dma_addr_t start,
			   dma_addr_t end);
bool iommu_domain_msi_aperture_valid(struct iommu_domain *domain);

int iommu_msi_get_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr,
				size_t size, int prot, dma_addr_t *iova);
void iommu_msi_put_doorbell_iova(struct iommu_domain *domain, phys_addr_t addr);

struct iommu_domain *iommu_msi_domain(struct device *dev);
int iommu_msi_msg_pa_to_va(struct device *dev, struct msi_msg *msg);

void iommu_msi_release_desc(struct msi_desc *desc);

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

#endif /* CONFIG_IOMMU_MSI */
#endif /* __LINUX_MSI_IOMMU_H */
