// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds the mutex of a device's IOMMU group until it is unloaded, as whoever has to
 * wait for memory holds it.
 */
#include <linux/completion.h>
#include <linux/iommu.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device");

static DECLARE_COMPLETION(held);
static struct iommu_group *group;
static struct task_struct *holder;

/* Called with the mutex held */
static int wait_for_end(struct device *dev, void *data)
{
	complete(&held);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 1;
}

static int hold(void *data)
{
	return iommu_group_for_each_dev(group, NULL, wait_for_end);
}

static int __init msi_hold_init(void)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, device);

	group = dev ? iommu_group_get(dev) : NULL;
	put_device(dev);
	if (!group)
		return -ENODEV;
	holder = kthread_run(hold, NULL, "msi_hold");
	if (IS_ERR(holder)) {
		iommu_group_put(group);
		return PTR_ERR(holder);
	}
	wait_for_completion(&held);
	return 0;
}

static void __exit msi_hold_exit(void)
{
	kthread_stop(holder);
	iommu_group_put(group);
}

module_init(msi_hold_init);
module_exit(msi_hold_exit);
MODULE_DESCRIPTION("Holds the mutex of an IOMMU group");
MODULE_LICENSE("GPL");
