// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window in which an IOAS has MSI doorbells
 */
#include <linux/iommu.h>
#include <linux/msi-iommu.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "io_pagetable.h"
#include "iommufd_private.h"

/* How often devices may join an IOAS while its window is about to change */
#define IOMMUFD_MSI_TRIES	16

/* Reserves what a driver suggests for MSIs */
int iopt_reserve_sw_msi(struct io_pagetable *iopt, unsigned long start,
			unsigned long last, void *owner)
{
	struct rb_root_cached *itree = &iopt->reserved_itree;
	struct iopt_reserved *reserved;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	/* The user has a window instead */
	if (iommu_msi_window_set(&iopt->msi_window))
		itree = &iopt->unused_msi_itree;
	else if (iopt_area_iter_first(iopt, start, last) ||
		 iopt_allowed_iter_first(iopt, start, last))
		return -EADDRINUSE;

	reserved = iopt_reserved_alloc(start, last, owner);
	if (!reserved)
		return -ENOMEM;
	reserved->sw_msi = true;
	interval_tree_insert(&reserved->node, itree);
	return 0;
}

/* Is @window free for MSIs? What drivers suggest for them makes room. */
static int iopt_check_msi_window(struct io_pagetable *iopt,
				 const struct range *window)
{
	struct iopt_reserved *reserved;
	struct iopt_area *area;

	area = iopt_area_iter_first(iopt, window->start, window->end);
	if (area) {
		iommu_msi_window_refused(window, "holds the mapping at %#lx of %#zx bytes",
					 iopt_area_iova(area),
					 iopt_area_length(area));
		return -EEXIST;
	}
	if (iopt_allowed_iter_first(iopt, window->start, window->end)) {
		iommu_msi_window_refused(window, "meets IOVA that the user allowed");
		return -EADDRINUSE;
	}

	for (reserved = iopt_reserved_iter_first(iopt, window->start,
						 window->end);
	     reserved;
	     reserved = iopt_reserved_iter_next(reserved, window->start,
						window->end))
		if (!reserved->sw_msi && reserved->owner != &iopt->msi_window) {
			iommu_msi_window_refused(window, "meets reserved region %#lx-%#lx",
						 reserved->node.start,
						 reserved->node.last);
			return -EADDRINUSE;
		}
	return 0;
}

/* Can what drivers suggest for MSIs be reserved again? */
static int iopt_check_sw_msi(struct io_pagetable *iopt)
{
	struct interval_tree_node *node;

	for (node = interval_tree_iter_first(&iopt->unused_msi_itree, 0,
					     ULONG_MAX);
	     node; node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		if (iopt_area_iter_first(iopt, node->start, node->last))
			return -EEXIST;
		if (iopt_allowed_iter_first(iopt, node->start, node->last))
			return -EADDRINUSE;
	}
	return 0;
}

/* Moves the reservations that drivers suggest for MSIs to another tree */
static void iopt_move_sw_msi(struct rb_root_cached *from,
			     struct rb_root_cached *to)
{
	struct interval_tree_node *node, *next;

	for (node = interval_tree_iter_first(from, 0, ULONG_MAX); node;
	     node = next) {
		next = interval_tree_iter_next(node, 0, ULONG_MAX);
		if (!container_of(node, struct iopt_reserved, node)->sw_msi)
			continue;
		interval_tree_remove(node, from);
		interval_tree_insert(node, to);
	}
}

/*
 * Gives the IOAS the user's @window for MSIs, or what drivers suggest if it is
 * not set, and the domains their @apertures along with that.
 */
static int iopt_set_msi_window(struct io_pagetable *iopt,
			       const struct range *window,
			       struct iommu_msi_aperture *apertures,
			       unsigned int count)
{
	struct iopt_reserved *reserved = NULL;
	int rc;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (iommu_msi_window_set(window)) {
		rc = iopt_check_msi_window(iopt, window);
		if (rc)
			return rc;
		reserved = iopt_reserved_alloc(window->start, window->end,
					       &iopt->msi_window);
		if (!reserved)
			return -ENOMEM;
	} else {
		rc = iopt_check_sw_msi(iopt);
		if (rc)
			return rc;
	}

	rc = iommu_msi_set_apertures(apertures, count);
	if (rc) {
		kfree(reserved);
		return rc;
	}

	__iopt_remove_reserved_iova(iopt, &iopt->msi_window);
	if (reserved) {
		iopt_move_sw_msi(&iopt->reserved_itree,
				 &iopt->unused_msi_itree);
		interval_tree_insert(&reserved->node, &iopt->reserved_itree);
	} else {
		iopt_move_sw_msi(&iopt->unused_msi_itree,
				 &iopt->reserved_itree);
	}
	iopt->msi_window = *window;
	return 0;
}

/* Does the window do for a group, in which the domain has doorbells or will? */
static int iommufd_group_check_window(struct iommufd_hwpt_paging *hwpt_paging,
				      const struct range *sw_msi,
				      const struct iommu_msi_survey *survey,
				      struct list_head *regions)
{
	const struct range *user = &hwpt_paging->ioas->iopt.msi_window;
	struct iommu_domain *domain = hwpt_paging->common.domain;
	struct range window = *sw_msi;
	int rc;

	if (iommu_msi_window_set(&hwpt_paging->sw_msi))
		window = hwpt_paging->sw_msi;
	if (iommu_msi_window_set(user)) {
		rc = iommu_msi_check_window(domain, survey, user);
		if (rc)
			return rc;
		window = *user;
	}
	if (!iommu_msi_window_set(sw_msi))
		return 0;

	rc = iommu_msi_check_devices(&window, survey, regions);
	if (iommu_msi_window_set(user))
		return rc;
	/* Another domain may do */
	return rc ? -EINVAL : 0;
}

static int iommufd_hwpt_setup_msi(struct iommufd_hwpt_paging *hwpt_paging,
				  const struct range *sw_msi)
{
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;
	struct iommu_domain *domain = hwpt_paging->common.domain;
	const struct range *window = sw_msi;
	int rc;

	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (iommu_msi_window_set(&hwpt_paging->sw_msi))
		return 0;
	/* An attach that failed may have left an aperture that is not reserved */
	if (!iommu_msi_window_set(sw_msi))
		return iommu_domain_msi_aperture_valid(domain) ? -EINVAL : 0;

	/*
	 * Devices come and go, and their reservations with them, while the
	 * domain keeps its window, and doorbells in it.
	 */
	rc = iopt_reserve_sw_msi(iopt, sw_msi->start, sw_msi->end, hwpt_paging);
	if (rc)
		return rc;

	if (iommu_msi_window_set(&iopt->msi_window))
		window = &iopt->msi_window;
	rc = iommu_msi_set_aperture(domain, window->start, window->end);
	if (rc)
		goto err_unreserve;
	hwpt_paging->sw_msi = *sw_msi;
	return 0;

err_unreserve:
	__iopt_remove_reserved_iova(iopt, hwpt_paging);
	/* The domain was made for a device whose MSIs are not translated */
	return rc == -ENODEV ? -EINVAL : rc;
}

/*
 * If the IOMMU driver gives a IOMMU_RESV_SW_MSI then MSIs are translated, and
 * the irq layer maps doorbells in the window that the domain was told. Once a group
 * was attached it is reserved in the IOAS for as long as the domain exists. A group
 * that shares the domain does with the window of the first, unless its devices have
 * something else there.
 */
int iommufd_group_setup_msi(struct iommufd_group *igroup,
			    struct iommufd_hwpt_paging *hwpt_paging)
{
	struct iommu_domain *domain = hwpt_paging->common.domain;
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;
	struct iommu_resv_region *region, *next;
	struct iommu_msi_survey survey;
	struct range window;
	LIST_HEAD(regions);
	int rc;

	lockdep_assert_held(&igroup->lock);

	iommu_msi_survey_init(&survey, 1UL << __ffs(domain->pgsize_bitmap),
			      NULL);
	iommu_group_for_each_dev(igroup->group, &survey, iommu_msi_survey_device);
	rc = iommu_get_group_resv_regions(igroup->group, &regions);
	if (!rc) {
		/* One for the group, whichever of its devices comes first */
		window = iommu_msi_suggested_window(&regions);
		down_write(&iopt->iova_rwsem);
		iopt->msi_joins++;
		rc = iommufd_group_check_window(hwpt_paging, &window, &survey,
						&regions);
		if (!rc)
			rc = iommufd_hwpt_setup_msi(hwpt_paging, &window);
		if (!rc)
			hwpt_paging->msi_users_ever++;
		up_write(&iopt->iova_rwsem);
	}
	list_for_each_entry_safe(region, next, &regions, list)
		kfree(region);
	return rc;
}

/*
 * A group was not attached after all. If none was, ever, with or without MSIs that are
 * translated, the user has back what the domain's window takes of the IOAS, until the
 * next one comes. What the domain was told stays, and is not told on.
 */
void iommufd_hwpt_undo_setup_msi(struct iommufd_hwpt_paging *hwpt_paging)
{
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;

	down_write(&iopt->iova_rwsem);
	if (!--hwpt_paging->msi_users_ever) {
		__iopt_remove_reserved_iova(iopt, hwpt_paging);
		hwpt_paging->sw_msi = (struct range){};
	}
	up_write(&iopt->iova_rwsem);
}

static void iommufd_hwpt_survey(struct iommufd_hwpt_paging *hwpt_paging,
				struct iommu_msi_survey *survey)
{
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;

	down_read(&iopt->iova_rwsem);
	if (iommu_msi_window_set(&hwpt_paging->sw_msi))
		iommu_msi_survey_domain(survey, hwpt_paging->common.domain);
	up_read(&iopt->iova_rwsem);
}

static int iommufd_group_survey(struct iommufd_group *igroup,
				struct iommufd_hwpt_paging *hwpt_paging,
				void *survey)
{
	return iommu_group_for_each_dev(igroup->group, survey,
					iommu_msi_survey_device);
}

static int iommufd_group_check_default(struct iommufd_group *igroup,
				       struct iommufd_hwpt_paging *hwpt_paging,
				       void *unused)
{
	struct io_pagetable *iopt = &hwpt_paging->ioas->iopt;
	struct iommu_resv_region *region, *next;
	struct iommu_msi_survey survey;
	struct range window;
	LIST_HEAD(regions);
	int rc;

	down_read(&iopt->iova_rwsem);
	window = hwpt_paging->sw_msi;
	up_read(&iopt->iova_rwsem);
	if (!iommu_msi_window_set(&window))
		return 0;

	iommu_msi_survey_init(&survey, PAGE_SIZE, NULL);
	iommu_group_for_each_dev(igroup->group, &survey, iommu_msi_survey_device);
	rc = iommu_get_group_resv_regions(igroup->group, &regions);
	if (!rc)
		rc = iommu_msi_check_devices(&window, &survey, &regions);
	list_for_each_entry_safe(region, next, &regions, list)
		kfree(region);
	return rc;
}

/* Calls @fn, with the group locked, for each that is attached to the IOAS */
static int iommufd_ioas_for_each_group(struct iommufd_ctx *ictx,
				       struct iommufd_ioas *ioas,
				       int (*fn)(struct iommufd_group *igroup,
						 struct iommufd_hwpt_paging *hwpt_paging,
						 void *data),
				       void *data)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_group *igroup;
	unsigned long index;
	int rc = 0;

	xa_lock(&ictx->groups);
	xa_for_each(&ictx->groups, index, igroup) {
		if (!kref_get_unless_zero(&igroup->ref))
			continue;
		xa_unlock(&ictx->groups);
		mutex_lock(&igroup->lock);
		hwpt_paging = igroup->hwpt ? find_hwpt_paging(igroup->hwpt) :
					     NULL;
		if (hwpt_paging && hwpt_paging->ioas == ioas)
			rc = fn(igroup, hwpt_paging, data);
		mutex_unlock(&igroup->lock);
		iommufd_put_group(igroup);
		xa_lock(&ictx->groups);
		if (rc)
			break;
	}
	xa_unlock(&ictx->groups);
	return rc;
}

/* Ask all devices that are attached to the IOAS what they need of a window */
static int iommufd_ioas_survey(struct iommufd_ctx *ictx,
			       struct iommufd_ioas *ioas,
			       struct iommu_msi_survey *survey)
{
	return iommufd_ioas_for_each_group(ictx, ioas, iommufd_group_survey,
					   survey);
}

/*
 * A group that came when the user's window was set may have something else where
 * its domain's default window is.
 */
static int iommufd_ioas_check_default(struct iommufd_ctx *ictx,
				      struct iommufd_ioas *ioas)
{
	return iommufd_ioas_for_each_group(ictx, ioas,
					   iommufd_group_check_default, NULL);
}

static unsigned long iommufd_hwpt_granule(struct iommufd_hwpt_paging *hwpt_paging)
{
	return 1UL << __ffs(hwpt_paging->common.domain->pgsize_bitmap);
}

/*
 * The domains that have a window, and what it shall be: @window, or what each
 * domain had first if that is not set.
 */
static int iommufd_ioas_apertures(struct iommufd_ioas *ioas,
				  const struct iommu_msi_survey *survey,
				  const struct range *window,
				  struct iommu_msi_aperture *apertures,
				  unsigned int *count)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	int rc;

	lockdep_assert_held(&ioas->mutex);
	lockdep_assert_held_write(&ioas->iopt.iova_rwsem);

	*count = 0;
	list_for_each_entry(hwpt_paging, &ioas->hwpt_list, hwpt_item) {
		struct range own = hwpt_paging->sw_msi;

		if (!iommu_msi_window_set(&own))
			continue;
		if (iommu_msi_window_set(window)) {
			rc = iommu_msi_check_window(hwpt_paging->common.domain,
						    survey, window);
			if (rc)
				return rc;
			own = *window;
		}
		apertures[(*count)++] = (struct iommu_msi_aperture) {
			.domain = hwpt_paging->common.domain,
			.start = own.start,
			.end = own.end,
		};
	}
	return 0;
}

static unsigned long iommufd_ioas_granule(struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt_paging;

	lockdep_assert_held(&ioas->mutex);

	hwpt_paging = list_first_entry_or_null(&ioas->hwpt_list,
					       struct iommufd_hwpt_paging,
					       hwpt_item);
	return hwpt_paging ? iommufd_hwpt_granule(hwpt_paging) : SZ_4K;
}

static int iommufd_ioas_set_window(struct iommufd_ioas *ioas,
				   const struct iommu_msi_survey *survey,
				   const struct range *window,
				   struct iommu_msi_aperture *apertures)
{
	unsigned int count;
	int rc;

	lockdep_assert_held_write(&ioas->iopt.iova_rwsem);

	rc = iommufd_ioas_apertures(ioas, survey, window, apertures, &count);
	if (rc)
		return rc;
	if (iommu_msi_window_set(window) && survey->devices && !count) {
		iommu_msi_window_refused(window,
					 "is of no use: no IOMMU of the devices translates MSIs");
		return -ENODEV;
	}
	return iopt_set_msi_window(&ioas->iopt, window, apertures, count);
}

/* -EAGAIN: a device has joined that was not asked; the old window suits it */
static int iommufd_ioas_try_window(struct iommufd_ctx *ictx,
				   struct iommufd_ioas *ioas,
				   const struct range *window,
				   struct iommu_msi_aperture *apertures)
{
	struct iommu_msi_survey survey;
	unsigned int joins;
	int rc;

	down_read(&ioas->iopt.iova_rwsem);
	joins = ioas->iopt.msi_joins;
	up_read(&ioas->iopt.iova_rwsem);

	iommu_msi_survey_init(&survey, iommufd_ioas_granule(ioas), NULL);
	rc = iommufd_ioas_survey(ictx, ioas, &survey);
	if (!rc && !iommu_msi_window_set(window))
		rc = iommufd_ioas_check_default(ictx, ioas);
	if (!rc) {
		down_write(&ioas->iopt.iova_rwsem);
		if (joins != ioas->iopt.msi_joins)
			rc = -EAGAIN;
		else
			rc = iommufd_ioas_set_window(ioas, &survey, window,
						     apertures);
		up_write(&ioas->iopt.iova_rwsem);
	}
	return rc;
}

static int iommufd_ioas_change_window(struct iommufd_ctx *ictx,
				      struct iommufd_ioas *ioas,
				      const struct range *window)
{
	struct iommu_msi_aperture *apertures;
	unsigned int tries = 0;
	int rc;

	lockdep_assert_held(&ioas->mutex);

	if (window->start == ioas->iopt.msi_window.start &&
	    window->end == ioas->iopt.msi_window.end)
		return 0;

	apertures = kcalloc(list_count_nodes(&ioas->hwpt_list),
			    sizeof(*apertures), GFP_KERNEL_ACCOUNT);
	if (!apertures)
		return -ENOMEM;
	do {
		rc = iommufd_ioas_try_window(ictx, ioas, window, apertures);
	} while (rc == -EAGAIN && ++tries < IOMMUFD_MSI_TRIES);
	kfree(apertures);
	return rc;
}

/* The user's window, or with two times 0 what drivers suggest */
int iommufd_ioas_set_msi_window(struct iommufd_ctx *ictx,
				struct iommufd_ioas *ioas, u64 start, u64 last)
{
	const struct range window = { start, last };

	/* There may be no domain yet to say how large its smallest page is */
	if ((start || last) && (start >= last || last > ULONG_MAX ||
				(start | (last + 1)) & (SZ_4K - 1)))
		return -EINVAL;

	guard(mutex)(&ioas->mutex);
	return iommufd_ioas_change_window(ictx, ioas, &window);
}

/* -ENOENT if the user's window is not exactly that */
int iommufd_ioas_unset_msi_window(struct iommufd_ctx *ictx,
				  struct iommufd_ioas *ioas, u64 start, u64 last)
{
	const struct range none = {};

	guard(mutex)(&ioas->mutex);
	if (!iommu_msi_window_set(&ioas->iopt.msi_window) ||
	    start != ioas->iopt.msi_window.start ||
	    last != ioas->iopt.msi_window.end)
		return -ENOENT;
	return iommufd_ioas_change_window(ictx, ioas, &none);
}

int iommufd_ioas_msi_window(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_msi_window *cmd = ucmd->cmd;
	bool unset = cmd->flags & IOMMU_IOAS_MSI_WINDOW_DEFAULT;
	struct iommufd_ioas *ioas;
	int rc;

	if (!IS_ENABLED(CONFIG_IOMMU_MSI) || cmd->__reserved ||
	    cmd->flags & ~IOMMU_IOAS_MSI_WINDOW_DEFAULT)
		return -EOPNOTSUPP;
	if (unset != !cmd->last)
		return -EINVAL;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iommufd_ioas_set_msi_window(ucmd->ictx, ioas, cmd->start, cmd->last);
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/*
 * What is asked of the IOAS; of its window and pages those of one domain alone if
 * that is @only
 */
int iommufd_ioas_msi_info(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			  struct iommufd_hwpt_paging *only,
			  struct iommu_msi_info *cmd)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommu_msi_survey survey, one;
	int rc;

	guard(mutex)(&ioas->mutex);

	iommu_msi_survey_init(&survey, iommufd_ioas_granule(ioas),
			      &ioas->iopt.msi_window);
	list_for_each_entry(hwpt_paging, &ioas->hwpt_list, hwpt_item)
		iommufd_hwpt_survey(hwpt_paging, &survey);
	rc = iommufd_ioas_survey(ictx, ioas, &survey);
	if (rc)
		return rc;
	one = survey;
	if (only) {
		iommu_msi_survey_init(&one, iommufd_hwpt_granule(only),
				      &ioas->iopt.msi_window);
		iommufd_hwpt_survey(only, &one);
	}

	cmd->out_flags = 0;
	if (iommu_msi_window_set(&ioas->iopt.msi_window))
		cmd->out_flags |= IOMMU_MSI_INFO_USER;
	if (one.translated)
		cmd->out_flags |= IOMMU_MSI_INFO_TRANSLATED;
	if (survey.hw_msi)
		cmd->out_flags |= IOMMU_MSI_INFO_BYPASS;
	if (iommu_msi_survey_programmable(&survey))
		cmd->out_flags |= IOMMU_MSI_INFO_PROGRAMMABLE;
	cmd->out_start = one.window.start;
	cmd->out_last = one.window.end;
	cmd->out_granule = one.page_size;
	cmd->out_pages_used = one.pages_used;
	cmd->out_pages_free = one.pages_free;
	cmd->out_pages_needed = survey.pages;
	return 0;
}

int iommufd_msi_info(struct iommufd_ucmd *ucmd)
{
	struct iommu_msi_info *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommufd_object *obj;
	int rc = -EINVAL;

	if (!IS_ENABLED(CONFIG_IOMMU_MSI) || cmd->__reserved)
		return -EOPNOTSUPP;

	obj = iommufd_get_object(ucmd->ictx, cmd->object_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	if (obj->type == IOMMUFD_OBJ_IOAS) {
		rc = iommufd_ioas_msi_info(ucmd->ictx,
					   container_of(obj, struct iommufd_ioas, obj),
					   NULL, cmd);
	} else if (obj->type == IOMMUFD_OBJ_HWPT_PAGING) {
		hwpt_paging = container_of(obj, struct iommufd_hwpt_paging,
					   common.obj);
		rc = iommufd_ioas_msi_info(ucmd->ictx, hwpt_paging->ioas,
					   hwpt_paging, cmd);
	}
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}
