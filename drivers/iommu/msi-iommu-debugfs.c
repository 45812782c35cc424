// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu/msi/domains in debugfs: the MSI aperture of every domain and what is
 * mapped in it. See Documentation/driver-api/iommu-msi.rst for the format.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

static void show_window(struct seq_file *m, const struct iommu_msi_cookie *cookie)
{
	seq_printf(m, "domain %u ", cookie->id);
	if (cookie->total_pages)
		seq_printf(m, "0x%016llx 0x%016llx 0x%lx",
			   (u64)cookie->aperture_start,
			   (u64)cookie->aperture_end, 1UL << cookie->pgshift);
	else
		seq_puts(m, "- - -");
	seq_printf(m, " %lu %lu\n", cookie->used_pages, cookie->total_pages);
}

static int domains_show(struct seq_file *m, void *unused)
{
	struct iommu_msi_doorbell *doorbell;
	struct iommu_msi_cookie *cookie;
	unsigned long id, index;

	guard(mutex)(&iommu_msi_cookies_lock);

	seq_puts(m, "# domain window-start window-end page-size pages-used pages-total\n");
	xa_for_each(&iommu_msi_cookies, id, cookie) {
		guard(mutex)(&cookie->lock);
		show_window(m, cookie);
	}

	seq_puts(m, "# doorbell domain pa iova size references\n");
	xa_for_each(&iommu_msi_cookies, id, cookie) {
		guard(mutex)(&cookie->lock);
		index = 0;
		mt_for_each(&cookie->doorbells, doorbell, index, ULONG_MAX)
			seq_printf(m, "doorbell %u 0x%016llx 0x%016llx 0x%zx %u\n",
				   cookie->id, (u64)doorbell->pa,
				   (u64)doorbell->iova, doorbell->size,
				   refcount_read(&doorbell->refs));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

static int __init iommu_msi_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("msi", iommu_debugfs_dir);

	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
	return 0;
}
late_initcall(iommu_msi_debugfs_init);
