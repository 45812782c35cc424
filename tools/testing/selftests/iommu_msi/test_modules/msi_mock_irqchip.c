// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of an MSI controller that has a doorbell, and raises nothing. It does
 * about the IOMMU what drivers/irqchip/irq-gic-v2m.c does.
 */
#include <linux/bitmap.h>
#include <linux/iommu.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/msi.h>
#include <linux/msi-iommu.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/range.h>
#include <linux/sizes.h>

MODULE_IMPORT_NS(IOMMU_MSI);

#define NAME	"msi_mock_irqchip"
#define VECTORS	8

static unsigned long doorbell;
module_param(doorbell, ulong, 0444);
MODULE_PARM_DESC(doorbell, "physical address of the doorbell");

static struct platform_device *pdev;
static struct irq_domain *parent;
static DECLARE_BITMAP(used, VECTORS);	/* protected by the irq domain's mutex */

static void mock_mask(struct irq_data *data)
{
}

static void mock_compose_msi_msg(struct irq_data *data, struct msi_msg *msg)
{
	msg->address_hi = upper_32_bits(doorbell);
	msg->address_lo = lower_32_bits(doorbell);
	msg->data = data->hwirq;

	iommu_dma_compose_msi_msg(irq_data_get_msi_desc(data), msg);
}

static struct irq_chip mock_chip = {
	.name			= NAME,
	.irq_mask		= mock_mask,
	.irq_unmask		= mock_mask,
	.irq_compose_msi_msg	= mock_compose_msi_msg,
};

static int mock_alloc(struct irq_domain *domain, unsigned int virq,
		      unsigned int nr_irqs, void *args)
{
	unsigned int hwirq = find_first_zero_bit(used, VECTORS);
	msi_alloc_info_t *info = args;
	int ret;

	if (hwirq == VECTORS)
		return -ENOSPC;
	ret = iommu_dma_prepare_msi(info->desc, doorbell);
	if (ret)
		return ret;

	__set_bit(hwirq, used);
	irq_domain_set_info(domain, virq, hwirq, &mock_chip, NULL,
			    handle_simple_irq, NULL, NULL);
	return 0;
}

static void mock_free(struct irq_domain *domain, unsigned int virq,
		      unsigned int nr_irqs)
{
	__clear_bit(irq_domain_get_irq_data(domain, virq)->hwirq, used);
}

static const struct irq_domain_ops mock_domain_ops = {
	.alloc	= mock_alloc,
	.free	= mock_free,
};

static bool mock_init_dev_msi_info(struct device *dev, struct irq_domain *domain,
				   struct irq_domain *real_parent,
				   struct msi_domain_info *info)
{
	info->flags |= MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_FREE_MSI_DESCS |
		       MSI_FLAG_ALLOC_SIMPLE_MSI_DESCS;
	return info->bus_token == DOMAIN_BUS_DEVICE_MSI;
}

static const struct msi_parent_ops mock_msi_parent_ops = {
	.bus_select_token	= DOMAIN_BUS_NEXUS,
	.init_dev_msi_info	= mock_init_dev_msi_info,
};

static int __init msi_mock_irqchip_init(void)
{
	/* That has it given a node, by which devices name it */
	static const struct property_entry properties[] = { {} };
	const struct platform_device_info info = {
		.name = NAME, .id = PLATFORM_DEVID_NONE, .properties = properties,
	};
	const struct range registers = {
		.start = doorbell, .end = doorbell + 3,
	};
	const struct range frame = {
		.start = ALIGN_DOWN(doorbell, SZ_4K), .end = doorbell | (SZ_4K - 1),
	};
	int ret;

	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	parent = irq_domain_create_linear(dev_fwnode(&pdev->dev), VECTORS,
					  &mock_domain_ops, NULL);
	if (!parent) {
		ret = -ENOMEM;
		goto err_device;
	}
	irq_domain_update_bus_token(parent, DOMAIN_BUS_NEXUS);
	parent->flags |= IRQ_DOMAIN_FLAG_MSI_PARENT;
	parent->msi_parent_ops = &mock_msi_parent_ops;

	ret = iommu_msi_register_doorbell(parent, &registers, &frame);
	if (ret)
		goto err_domain;
	return 0;

err_domain:
	irq_domain_remove(parent);
err_device:
	platform_device_unregister(pdev);
	return ret;
}

static void __exit msi_mock_irqchip_exit(void)
{
	iommu_msi_unregister_doorbells(parent);
	irq_domain_remove(parent);
	platform_device_unregister(pdev);
}

module_init(msi_mock_irqchip_init);
module_exit(msi_mock_irqchip_exit);
MODULE_DESCRIPTION("Drives an MSI controller of software, by a doorbell");
MODULE_LICENSE("GPL");
