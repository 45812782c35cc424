// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window in which an IOAS has MSI doorbells: IOMMU_OPTION_SW_MSI_START,
 * IOMMU_OPTION_SW_MSI_SIZE and IOMMU_MSI_INFO
 */
#include <linux/iommu.h>
#include <linux/msi-iommu.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "iommufd_private.h"

/* The window that the two options make, unset if the size is 0 */
static int iommufd_msi_option_window(const struct iommufd_msi_option *option,
				     struct range *window)
{
	*window = (struct range) {};
	if (!option->size)
		return 0;

	window->start = option->start;
	window->end = option->start + option->size - 1;
	if (window->end <= window->start || window->end > ULONG_MAX)
		return -EINVAL;
	/* There may be no domain yet to say how large its smallest page is */
	if ((option->start | option->size) & (SZ_4K - 1))
		return -EINVAL;
	return 0;
}

static unsigned long iommufd_hwpt_granule(struct iommufd_hwpt_paging *hwpt_paging)
{
	return 1UL << __ffs(hwpt_paging->common.domain->pgsize_bitmap);
}

/* Is the window fit for a domain and what is known of the devices? */
int iommufd_hwpt_check_window(struct iommufd_hwpt_paging *hwpt_paging,
			      const struct iommu_msi_survey *survey,
			      const struct range *window)
{
	struct iommu_domain *domain = hwpt_paging->common.domain;
	const struct iommu_domain_geometry *geo = &domain->geometry;
	unsigned long granule = iommufd_hwpt_granule(hwpt_paging);

	if ((window->start | (window->end + 1)) & (granule - 1)) {
		iommufd_window_refused(window, "is not made of the IOMMU's pages of %#lx",
				       granule);
		return -EINVAL;
	}
	/* Some drivers tell the geometry no sooner than a device attaches */
	if (geo->aperture_start < geo->aperture_end &&
	    (window->start < geo->aperture_start ||
	     window->end > geo->aperture_end)) {
		iommufd_window_refused(window, "is not within the IOMMU's %pad-%pad",
				       &geo->aperture_start,
				       &geo->aperture_end);
		return -ERANGE;
	}
	return iommu_msi_survey_check(survey, window->start, window->end);
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

		if (!iommufd_window_set(&own))
			continue;
		if (iommufd_window_set(window)) {
			rc = iommufd_hwpt_check_window(hwpt_paging, survey,
						       window);
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
	if (iommufd_window_set(window) && survey->devices && !count) {
		iommufd_window_refused(window,
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

	iommu_msi_survey_init(&survey, iommufd_ioas_granule(ioas));
	rc = iommufd_ioas_survey(ictx, ioas, &survey);
	if (!rc && !iommufd_window_set(window))
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
	int rc;

	lockdep_assert_held(&ioas->mutex);

	apertures = kcalloc(list_count_nodes(&ioas->hwpt_list),
			    sizeof(*apertures), GFP_KERNEL_ACCOUNT);
	if (!apertures)
		return -ENOMEM;
	do {
		rc = iommufd_ioas_try_window(ictx, ioas, window, apertures);
	} while (rc == -EAGAIN);
	kfree(apertures);
	return rc;
}

static int iommufd_ioas_set_msi_option(struct iommufd_ctx *ictx,
				       struct iommufd_ioas *ioas,
				       const struct iommufd_msi_option *option)
{
	struct range window;
	int rc;

	rc = iommufd_msi_option_window(option, &window);
	if (rc)
		return rc;
	/* A start alone, or a size of 0 twice, changes nothing */
	if (window.start != ioas->iopt.msi_window.start ||
	    window.end != ioas->iopt.msi_window.end) {
		rc = iommufd_ioas_change_window(ictx, ioas, &window);
		if (rc)
			return rc;
	}
	ioas->msi_option = *option;
	return 0;
}

/* What an IOAS begins with: the context's window */
int iommufd_ioas_init_msi(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	struct range window;
	int rc;

	xa_lock(&ictx->objects);
	ioas->msi_option = ictx->msi_option;
	xa_unlock(&ictx->objects);

	rc = iommufd_msi_option_window(&ioas->msi_option, &window);
	if (rc || !iommufd_window_set(&window))
		return rc;

	guard(rwsem_write)(&ioas->iopt.iova_rwsem);
	return iopt_set_msi_window(&ioas->iopt, &window, NULL, 0);
}

static u64 *iommufd_msi_option_value(struct iommufd_msi_option *option, u32 id)
{
	return id == IOMMU_OPTION_SW_MSI_START ? &option->start : &option->size;
}

static int iommufd_ctx_msi_option(struct iommu_option *cmd,
				  struct iommufd_ctx *ictx)
{
	struct iommufd_msi_option option;
	struct range window;
	int rc = 0;

	xa_lock(&ictx->objects);
	option = ictx->msi_option;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = *iommufd_msi_option_value(&option, cmd->option_id);
	} else {
		*iommufd_msi_option_value(&option, cmd->option_id) = cmd->val64;
		rc = iommufd_msi_option_window(&option, &window);
		if (!rc)
			ictx->msi_option = option;
	}
	xa_unlock(&ictx->objects);
	return rc;
}

static int iommufd_ioas_msi_option(struct iommu_option *cmd,
				   struct iommufd_ctx *ictx)
{
	struct iommufd_msi_option option;
	struct iommufd_ioas *ioas;
	int rc = 0;

	ioas = iommufd_get_ioas(ictx, cmd->object_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	mutex_lock(&ioas->mutex);
	option = ioas->msi_option;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = *iommufd_msi_option_value(&option, cmd->option_id);
	} else {
		*iommufd_msi_option_value(&option, cmd->option_id) = cmd->val64;
		rc = iommufd_ioas_set_msi_option(ictx, ioas, &option);
	}
	mutex_unlock(&ioas->mutex);

	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

/* IOMMU_OPTION_SW_MSI_START and IOMMU_OPTION_SW_MSI_SIZE */
int iommufd_msi_option(struct iommu_option *cmd, struct iommufd_ctx *ictx)
{
	if (!IS_ENABLED(CONFIG_IOMMU_MSI) ||
	    (cmd->op != IOMMU_OPTION_OP_GET && cmd->op != IOMMU_OPTION_OP_SET))
		return -EOPNOTSUPP;
	if (!cmd->object_id)
		return iommufd_ctx_msi_option(cmd, ictx);
	return iommufd_ioas_msi_option(cmd, ictx);
}

/*
 * The window and its pages; of several domains, of the one with fewest left.
 * Returns whether a doorbell is mapped in this one.
 */
static bool iommufd_msi_info_domain(struct iommu_msi_info *cmd,
				    struct iommu_domain *domain)
{
	struct iommu_domain_msi_geometry geometry = {};
	struct iommu_msi_usage usage;

	iommu_domain_get_attr(domain, DOMAIN_ATTR_MSI_GEOMETRY, &geometry);
	iommu_msi_get_usage(domain, &usage);
	if (!geometry.iommu_msi_supported || !usage.total_pages)
		return false;
	if (cmd->out_flags & IOMMU_MSI_INFO_TRANSLATED &&
	    usage.total_pages - usage.used_pages >= cmd->out_pages_free)
		return usage.used_pages;

	cmd->out_flags |= IOMMU_MSI_INFO_TRANSLATED;
	cmd->out_start = geometry.aperture_start;
	cmd->out_last = geometry.aperture_end;
	cmd->out_granule = usage.page_size;
	cmd->out_pages_used = usage.used_pages;
	cmd->out_pages_free = usage.total_pages - usage.used_pages;
	return usage.used_pages;
}

static int iommufd_msi_info_ioas(struct iommu_msi_info *cmd,
				 struct iommufd_ctx *ictx,
				 struct iommufd_ioas *ioas,
				 struct iommufd_hwpt_paging *only)
{
	struct iommufd_hwpt_paging *hwpt_paging;
	struct iommu_msi_survey survey;
	bool used = false;
	int rc;

	guard(mutex)(&ioas->mutex);

	cmd->out_granule = iommufd_ioas_granule(ioas);
	if (iommufd_window_set(&ioas->iopt.msi_window)) {
		cmd->out_flags |= IOMMU_MSI_INFO_USER;
		cmd->out_start = ioas->iopt.msi_window.start;
		cmd->out_last = ioas->iopt.msi_window.end;
	}
	list_for_each_entry(hwpt_paging, &ioas->hwpt_list, hwpt_item)
		if (!only || only == hwpt_paging)
			used |= iommufd_msi_info_domain(cmd, hwpt_paging->common.domain);

	iommu_msi_survey_init(&survey, cmd->out_granule);
	rc = iommufd_ioas_survey(ictx, ioas, &survey);
	if (rc)
		return rc;

	cmd->out_pages_needed = survey.pages;
	if (survey.hw_msi)
		cmd->out_flags |= IOMMU_MSI_INFO_BYPASS;
	if (survey.hw_msi && cmd->out_start > cmd->out_last) {
		cmd->out_start = survey.hw_start;
		cmd->out_last = survey.hw_last;
	}
	if (!used &&
	    (!survey.devices || cmd->out_flags & IOMMU_MSI_INFO_TRANSLATED))
		cmd->out_flags |= IOMMU_MSI_INFO_PROGRAMMABLE;
	return 0;
}

int iommufd_msi_info(struct iommufd_ucmd *ucmd)
{
	struct iommu_msi_info *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *hwpt_paging = NULL;
	struct iommufd_object *obj;
	struct iommufd_ioas *ioas;
	int rc;

	if (!IS_ENABLED(CONFIG_IOMMU_MSI) || cmd->__reserved)
		return -EOPNOTSUPP;

	obj = iommufd_get_object(ucmd->ictx, cmd->object_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		ioas = container_of(obj, struct iommufd_ioas, obj);
		break;
	case IOMMUFD_OBJ_HWPT_PAGING:
		hwpt_paging = container_of(obj, struct iommufd_hwpt_paging,
					   common.obj);
		ioas = hwpt_paging->ioas;
		break;
	default:
		rc = -EINVAL;
		goto out_put;
	}

	cmd->out_flags = 0;
	cmd->out_start = 1;
	cmd->out_last = 0;
	cmd->out_pages_used = 0;
	cmd->out_pages_free = 0;
	rc = iommufd_msi_info_ioas(cmd, ucmd->ictx, ioas, hwpt_paging);
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_put:
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}
