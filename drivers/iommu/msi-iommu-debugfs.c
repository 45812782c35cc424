// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu_msi in debugfs: the MSI aperture of every domain, what is mapped in it,
 * and which groups use it. See Documentation/driver-api/iommu-msi.rst for the
 * format.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>

#include "msi-iommu.h"

static void show_window(struct seq_file *m, struct iommu_msi_cookie *cookie)
{
	seq_printf(m, "domain %u ", cookie->id);
	if (cookie->total_pages)
		seq_printf(m, "0x%016llx 0x%016llx 0x%lx",
			   (u64)cookie->aperture_start,
			   (u64)cookie->aperture_end, 1UL << cookie->pgshift);
	else
		seq_puts(m, "- - -");
	seq_printf(m, " %u %u\n", cookie->used_pages, cookie->total_pages);
}

static void show_doorbells(struct seq_file *m, struct iommu_msi_cookie *cookie)
{
	struct iommu_msi_doorbell *doorbell;
	unsigned long index;

	xa_for_each(&cookie->doorbells, index, doorbell) {
		/* All pages of a doorbell are in there */
		if (index != iommu_msi_index(cookie, doorbell->pa))
			continue;
		seq_printf(m, "doorbell %u 0x%016llx 0x%016llx 0x%zx %u\n",
			   cookie->id, (u64)doorbell->pa, (u64)doorbell->iova,
			   doorbell->size, doorbell->bindings + doorbell->gets);
	}
}

static void for_each_domain(struct seq_file *m,
			    void (*show)(struct seq_file *m,
					 struct iommu_msi_cookie *cookie))
{
	struct iommu_msi_cookie *cookie;
	unsigned long id;

	for (id = 0; (cookie = iommu_msi_next_cookie(&id)); id++) {
		mutex_lock(&cookie->lock);
		/* Its domain may have gone since */
		if (cookie->domain)
			show(m, cookie);
		mutex_unlock(&cookie->lock);
		iommu_msi_cookie_put(cookie);
	}
}

static int domains_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# domain window-start window-end page-size pages-used pages-total\n");
	for_each_domain(m, show_window);
	seq_puts(m, "# doorbell domain pa iova size references\n");
	for_each_domain(m, show_doorbells);
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

static void show_group(struct iommu_msi_group *msi, void *data)
{
	struct iommu_msi_cookie *cookie;
	struct seq_file *m = data;

	spin_lock(&msi->lock);
	if (msi->domain) {
		seq_printf(m, "group %d %s ", iommu_group_id(msi->group),
			   domain_kind(msi->domain));
		cookie = iommu_msi_cookie(msi->domain);
		if (cookie)
			seq_printf(m, "%u\n", cookie->id);
		else
			seq_puts(m, "-\n");
	}
	spin_unlock(&msi->lock);
}

static void show_vectors(struct iommu_msi_group *msi, void *data)
{
	struct iommu_msi_binding *binding;
	struct seq_file *m = data;

	spin_lock(&msi->lock);
	list_for_each_entry(binding, &msi->bindings, node) {
		if (!binding->doorbell)
			continue;
		seq_printf(m, "vectors %d 0x%016llx 0x%016llx %u\n",
			   iommu_group_id(msi->group), (u64)binding->addr,
			   binding->addr + binding->offset, binding->vectors);
	}
	spin_unlock(&msi->lock);
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
	struct dentry *dir = debugfs_create_dir("iommu_msi", NULL);

	debugfs_create_file("domains", 0400, dir, NULL, &domains_fops);
	debugfs_create_file("groups", 0400, dir, NULL, &groups_fops);
	return 0;
}
late_initcall(iommu_msi_debugfs_init);
