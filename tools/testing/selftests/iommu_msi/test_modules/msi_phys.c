// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets a test read what /dev/mem does not give it: /dev/msi_phys has, at the
 * offset that is its physical address, 8 bytes of memory or a register of 4.
 */
#include <linux/align.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/uaccess.h>

static int read_memory(phys_addr_t at, u64 *value)
{
	u64 *entry;

	/* A table that is not in memory must be told of, not be looked for */
	if (!page_is_ram(PHYS_PFN(at)))
		return -EFAULT;
	entry = memremap(at, sizeof(*entry), MEMREMAP_WB);
	if (!entry)
		return -ENOMEM;
	/* KASAN has no say: what is taken for a table may be free memory */
	*value = READ_ONCE_NOCHECK(*entry);
	memunmap(entry);
	return 0;
}

static int read_register(phys_addr_t at, u64 *value)
{
	void __iomem *reg;

	if (page_is_ram(PHYS_PFN(at)))
		return -EFAULT;
	reg = ioremap(at, sizeof(u32));
	if (!reg)
		return -ENOMEM;
	*value = readl(reg);
	iounmap(reg);
	return 0;
}

static ssize_t msi_phys_read(struct file *file, char __user *to, size_t count,
			     loff_t *offset)
{
	u64 value;
	int ret;

	if (!IS_ALIGNED(*offset, count))
		return -EINVAL;
	if (count == sizeof(u64))
		ret = read_memory(*offset, &value);
	else if (count == sizeof(u32))
		ret = read_register(*offset, &value);
	else
		ret = -EINVAL;
	if (ret)
		return ret;
	/* The lower half of a little-endian value comes first */
	return copy_to_user(to, &value, count) ? -EFAULT : count;
}

static const struct file_operations msi_phys_fops = {
	.owner = THIS_MODULE,
	.read = msi_phys_read,
};

static struct miscdevice msi_phys_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "msi_phys",
	.fops = &msi_phys_fops,
};
module_misc_device(msi_phys_device);

MODULE_DESCRIPTION("Lets a test read physical memory");
MODULE_LICENSE("GPL");
