// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a device that owns its DMA, as VFIO does: behind the IOMMU of
 * msi_mock_iommu.ko, with the MSIs of msi_mock_irqchip.ko. Loads if all that it
 * asked of the MSI layer came to be; else the log and the error tell what did not.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/msi-iommu.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/sizes.h>

MODULE_IMPORT_NS(IOMMU_MSI);

#define NAME	"msi_mock_owner"
#define PROT	(IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO)
#define VECTORS	2

#define WINDOW_START	0x10000000UL
#define WINDOW_END	(WINDOW_START + SZ_64K - 1)

static unsigned long doorbell;
module_param(doorbell, ulong, 0444);
MODULE_PARM_DESC(doorbell, "physical address of the irqchip's doorbell");

static struct platform_device *pdev;
static struct msi_msg messages[VECTORS];
static int result = -ESRCH;	/* of the driver's probe, once it has run */

static int failed(int error, const char *what)
{
	pr_err("%s\n", what);
	return error;
}

static int set_window(struct iommu_domain *domain)
{
	return iommu_msi_set_aperture(domain, WINDOW_START, WINDOW_END);
}

/* Sets the one next to it, or does not */
static int move_window(struct iommu_domain *domain)
{
	return iommu_msi_set_aperture(domain, WINDOW_END + 1, WINDOW_END + SZ_64K);
}

/* Is what is at @iova in the window, and does the IOMMU take it to @pa? */
static int check_iova(struct iommu_domain *domain, u64 iova, phys_addr_t pa)
{
	if (iova < WINDOW_START || iova > WINDOW_END)
		return failed(-ERANGE, "a doorbell is outside of the window");
	if (iommu_iova_to_phys(domain, iova) != pa)
		return failed(-EFAULT, "a doorbell's IOVA does not lead to it");
	return 0;
}

static int try_window(struct iommu_domain *domain)
{
	struct iommu_domain_msi_geometry geometry;
	dma_addr_t iova;

	if (iommu_msi_get_doorbell_iova(domain, doorbell, 4, PROT, &iova) != -ENXIO)
		return failed(-ENXIO, "a doorbell was mapped without a window");
	if (iommu_msi_set_aperture(domain, SZ_4G, SZ_4G + SZ_64K - 1) != -EINVAL)
		return failed(-EDOM, "a window was set where the IOMMU has nothing");
	if (iommu_domain_msi_aperture_valid(domain) || set_window(domain))
		return failed(-EINVAL, "no window could be set");
	if (iommu_domain_get_attr(domain, DOMAIN_ATTR_MSI_GEOMETRY, &geometry) ||
	    !geometry.iommu_msi_supported ||
	    geometry.aperture_start != WINDOW_START ||
	    geometry.aperture_end != WINDOW_END)
		return failed(-EBADF, "the window is not the one that was set");
	return 0;
}

static unsigned long pages_used(struct iommu_domain *domain)
{
	struct iommu_msi_survey survey;

	iommu_msi_survey_init(&survey, SZ_4K, NULL);
	iommu_msi_survey_domain(&survey, domain);
	return survey.pages_used;
}

/* The irqchip's doorbell twice, and what no irqchip has registered */
static int try_doorbells(struct iommu_domain *domain)
{
	phys_addr_t beside = doorbell + SZ_4K;
	dma_addr_t iova, again, other;
	int ret;

	if (iommu_msi_get_doorbell_iova(domain, doorbell, 4, PROT, &iova) ||
	    iommu_msi_get_doorbell_iova(domain, doorbell, 4, PROT, &again) ||
	    iommu_msi_get_doorbell_iova(domain, beside, 4, PROT, &other))
		return failed(-ENOSPC, "a doorbell could not be mapped");
	ret = check_iova(domain, iova, doorbell) ?:
	      check_iova(domain, other, beside);
	if (ret)
		return ret;
	if (iova != again || pages_used(domain) != 2)
		return failed(-EEXIST, "a doorbell was mapped twice");
	if (move_window(domain) != -EBUSY || set_window(domain))
		return failed(-EBUSY, "the window moves with doorbells in it");

	iommu_msi_put_doorbell_iova(domain, beside);
	iommu_msi_put_doorbell_iova(domain, doorbell);
	if (iommu_iova_to_phys(domain, other))
		return failed(-EIDRM, "a doorbell is mapped after its last put");
	if (iommu_iova_to_phys(domain, iova) != doorbell)
		return failed(-ESTALE, "a doorbell is gone before its last put");
	iommu_msi_put_doorbell_iova(domain, doorbell);
	if (move_window(domain) || set_window(domain))
		return failed(-ENOTEMPTY, "the window does not move with nothing in it");
	return 0;
}

static int check_message(struct device *dev, struct iommu_domain *domain,
			 const struct msi_msg *msg)
{
	struct msi_msg composed = {
		.address_hi = upper_32_bits(doorbell),
		.address_lo = lower_32_bits(doorbell),
	};

	if (iommu_msi_msg_pa_to_va(dev, &composed) ||
	    composed.address_hi != msg->address_hi ||
	    composed.address_lo != msg->address_lo)
		return failed(-EBADMSG, "a message is not as the MSI layer has it");
	if (move_window(domain) != -EBUSY)
		return failed(-ETXTBSY, "the window moves under a live vector");
	return check_iova(domain, (u64)msg->address_hi << 32 | msg->address_lo,
			  doorbell);
}

static irqreturn_t never(int irq, void *data)
{
	return IRQ_NONE;
}

/* The message is there from when the interrupt is requested */
static int check_vector(struct device *dev, struct iommu_domain *domain, int i)
{
	int irq = msi_get_virq(dev, i);
	int ret;

	if (request_irq(irq, never, 0, NAME, dev))
		return failed(-EIO, "an interrupt could not be requested");
	ret = check_message(dev, domain, &messages[i]);
	free_irq(irq, dev);
	return ret;
}

static void write_message(struct msi_desc *desc, struct msi_msg *msg)
{
	messages[desc->msi_index] = *msg;
}

static int try_vectors(struct device *dev, struct iommu_domain *domain)
{
	int i, ret = 0;

	if (platform_device_msi_init_and_alloc_irqs(dev, VECTORS, write_message))
		return failed(-ENOMSG, "the irqchip has no interrupts");
	for (i = 0; i < VECTORS && !ret; i++)
		ret = check_vector(dev, domain, i);
	platform_device_msi_free_irqs_all(dev);
	if (ret)
		return ret;
	if (pages_used(domain) || move_window(domain))
		return failed(-EADDRINUSE, "a doorbell stays after the last vector");
	return 0;
}

static int try_domain(struct device *dev, struct iommu_domain *domain)
{
	int ret;

	if (iommu_msi_domain(dev))
		return failed(-EPERM, "a device has an MSI domain before any is attached");
	if (iommu_attach_device(domain, dev))
		return failed(-ENOLINK, "the domain could not be attached");
	if (iommu_msi_domain(dev) != domain)
		ret = failed(-EOPNOTSUPP, "MSIs are not translated in the domain");
	else
		ret = try_window(domain) ?: try_doorbells(domain) ?:
		      try_vectors(dev, domain);
	iommu_detach_device(domain, dev);
	return ret;
}

static int owner_probe(struct platform_device *owned)
{
	struct device *dev = &owned->dev;
	struct iommu_domain *domain;

	result = iommu_device_claim_dma_owner(dev, &result);
	if (result)
		return failed(result, "the device's DMA belongs to somebody else");
	domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(domain)) {
		result = PTR_ERR(domain);
	} else {
		result = try_domain(dev, domain);
		iommu_domain_free(domain);
	}
	iommu_device_release_dma_owner(dev);
	return result;
}

static struct platform_driver owner_driver = {
	.probe			= owner_probe,
	.driver.name		= NAME,
	.driver_managed_dma	= true,
};

/* What firmware does for other devices: says which their IOMMU and irqchip are */
static int add_device(struct device *iommu, struct device *irqchip)
{
	int ret;

	pdev = platform_device_alloc(NAME, PLATFORM_DEVID_NONE);
	if (!pdev)
		return -ENOMEM;
	dev_set_msi_domain(&pdev->dev, irq_find_matching_fwnode(dev_fwnode(irqchip),
								DOMAIN_BUS_NEXUS));
	/* Firmware's code is built in and holds a lock; nobody else has this device yet */
	lockdep_off();
	ret = iommu_fwspec_init(&pdev->dev, dev_fwnode(iommu));
	lockdep_on();
	if (!ret)
		ret = platform_device_add(pdev);
	if (ret)
		platform_device_put(pdev);
	return ret;
}

static int __init msi_mock_owner_init(void)
{
	struct device *iommu, *irqchip;
	int ret;

	ret = platform_driver_register(&owner_driver);
	if (ret)
		return ret;

	iommu = bus_find_device_by_name(&platform_bus_type, NULL, "msi_mock_iommu");
	irqchip = bus_find_device_by_name(&platform_bus_type, NULL, "msi_mock_irqchip");
	ret = iommu && irqchip ? add_device(iommu, irqchip) : -ENODEV;
	put_device(irqchip);
	put_device(iommu);
	if (!ret && result) {
		platform_device_unregister(pdev);
		ret = result;
	}
	if (ret)
		platform_driver_unregister(&owner_driver);
	return ret;
}

static void __exit msi_mock_owner_exit(void)
{
	platform_device_unregister(pdev);
	platform_driver_unregister(&owner_driver);
}

module_init(msi_mock_owner_init);
module_exit(msi_mock_owner_exit);
MODULE_DESCRIPTION("Owns the DMA of a device of software, with its MSIs");
MODULE_LICENSE("GPL");
