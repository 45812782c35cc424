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
	unsigned long id;

	guard(mutex)(&iommu_msi_cookies_lock);

	seq_puts(m, "# domain window-start window-end page-size pages-used pages-total\n");
	xa_for_each(&iommu_msi_cookies, id, cookie) {
		guard(mutex)(&cookie->lock);
		show_window(m, cookie);
	}

	seq_puts(m, "# doorbell domain pa iova size references\n");
	xa_for_each(&iommu_msi_cookies, id, cookie) {
		guard(mutex)(&cookie->lock);
		list_for_each_entry(doorbell, &cookie->doorbells, node)
			seq_printf(m, "doorbell %u 0x%016llx 0x%016llx 0x%zx %u\n",
				   cookie->id, (u64)doorbell->pa,
				   (u64)doorbell->iova, doorbell->size,
				   refcount_read(&doorbell->refs));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(domains);

static const char *domain_kind(const struct iommu_domain *domain)
{
	switch (domain->type) {
	case IOMMU_DOMAIN_DMA:
		return "dma";
	case IOMMU_DOMAIN_DMA_FQ:
		return "dma-fq";
	case IOMMU_DOMAIN_IDENTITY:
		return "identity";
	case IOMMU_DOMAIN_BLOCKED:
		return "blocked";
	case IOMMU_DOMAIN_UNMANAGED:
		return "unmanaged";
	default:
		return "other";
	}
}

static void show_group(int id, struct iommu_domain *domain,
		       struct list_head *bindings, void *data)
{
	struct seq_file *m = data;

	if (!domain)
		return;
	seq_printf(m, "group %d %s ", id, domain_kind(domain));
	if (domain->type == IOMMU_DOMAIN_UNMANAGED && domain->msi_cookie)
		seq_printf(m, "%u\n", domain->msi_cookie->id);
	else
		seq_puts(m, "-\n");
}

static void show_vectors(int id, struct iommu_domain *domain,
			 struct list_head *bindings, void *data)
{
	struct iommu_msi_binding *binding;
	struct seq_file *m = data;

	list_for_each_entry(binding, bindings, node) {
		const struct iommu_msi_doorbell *doorbell = binding->doorbell;

		seq_printf(m, "vectors %d 0x%016llx 0x%016llx %u\n", id,
			   (u64)binding->first,
			   (u64)doorbell->iova + (binding->first - doorbell->pa),
			   binding->users);
	}
}

static int groups_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# group id domain-kind domain\n");
	iommu_msi_for_each_group(show_group, m);
	seq_puts(m, "# vectors group pa iova count\n");
	iommu_msi_for_each_group(show_vectors, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(groups);

static int __init iommu_msi_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("msi", iommu_debugfs_dir);

	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
	debugfs_create_file("groups", 0400, dir, NULL, &groups_fops);
	return 0;
}
late_initcall(iommu_msi_debugfs_init);
