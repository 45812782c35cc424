// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vectors cost a driver of the kernel's own: allocates and frees MSI-X vectors
 * of a PCI device that no driver has. All is measured when the module is loaded, in
 * nanoseconds for a vector that is allocated and freed, of this process alone and
 * altogether:
 *
 *	bench driver-<CPUs> own|wall <owners> <value>
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/sort.h>

#define MAX_RUNS	31

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "name of the PCI device");

static unsigned int owners;
module_param(owners, uint, 0444);
MODULE_PARM_DESC(owners, "how many processes do such things meanwhile");

static unsigned int vectors = 8;
module_param(vectors, uint, 0444);
MODULE_PARM_DESC(vectors, "vectors that are allocated at once");

static unsigned int rounds = 256;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "allocations of a run");

static unsigned int runs = 5;
module_param(runs, uint, 0444);
MODULE_PARM_DESC(runs, "runs, of which the median counts");

/* The scheduler brings it up to date */
static u64 own_ns(void)
{
	schedule();
	return current->se.sum_exec_runtime;
}

static int run(struct pci_dev *pdev, u64 *own, u64 *wall)
{
	u64 own_start = own_ns(), start = ktime_get_ns();
	unsigned int i;
	int ret;

	for (i = 0; i < rounds; i++) {
		ret = pci_alloc_irq_vectors(pdev, vectors, vectors, PCI_IRQ_MSIX);
		if (ret < 0)
			return ret;
		pci_free_irq_vectors(pdev);
		cond_resched();
	}
	*wall = div_u64(ktime_get_ns() - start, rounds * vectors);
	*own = div_u64(own_ns() - own_start, rounds * vectors);
	return 0;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, u64 *ns)
{
	sort(ns, runs, sizeof(*ns), compare, NULL);
	pr_info("bench driver-%u %s %u %llu\n", num_online_cpus(), what, owners,
		ns[runs / 2]);
}

static int bench(struct pci_dev *pdev)
{
	u64 own[MAX_RUNS], wall[MAX_RUNS];
	unsigned int i;
	int ret;

	/* The first time is not like the others: tables grow */
	ret = run(pdev, own, wall);
	for (i = 0; !ret && i < runs; i++)
		ret = run(pdev, &own[i], &wall[i]);
	if (ret)
		return ret;
	report("own", own);
	report("wall", wall);
	return 0;
}

static int __init msi_driver_init(void)
{
	struct device *dev;
	int ret;

	if (!device || !vectors || !rounds || !runs || runs > MAX_RUNS)
		return -EINVAL;
	dev = bus_find_device_by_name(&pci_bus_type, NULL, device);
	if (!dev)
		return -ENODEV;
	ret = pci_enable_device(to_pci_dev(dev));
	if (!ret) {
		ret = bench(to_pci_dev(dev));
		pci_disable_device(to_pci_dev(dev));
	}
	put_device(dev);
	return ret;
}

static void __exit msi_driver_exit(void)
{
}

module_init(msi_driver_init);
module_exit(msi_driver_exit);
MODULE_DESCRIPTION("Measures MSI vectors of a driver of the kernel's own");
MODULE_LICENSE("GPL");
