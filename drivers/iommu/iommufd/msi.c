// SPDX-License-Identifier: GPL-2.0-only
/*
 * The window in which an IOAS has MSI doorbells: IOMMU_IOAS_MSI_WINDOW and
 * IOMMU_MSI_INFO
 */
#include <linux/iommu.h>
#include <linux/msi-iommu.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "iommufd_private.h"

/* How often devices may join an IOAS while its window is about to change */
#define IOMMUFD_MSI_TRIES	16

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
		iommu_msi_survey_domain(&survey, hwpt_paging->common.domain);
	rc = iommufd_ioas_survey(ictx, ioas, &survey);
	if (rc)
		return rc;
	one = survey;
	if (only) {
		iommu_msi_survey_init(&one, iommufd_hwpt_granule(only),
				      &ioas->iopt.msi_window);
		iommu_msi_survey_domain(&one, only->common.domain);
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

	rc = iommufd_ioas_msi_info(ucmd->ictx, ioas, hwpt_paging, cmd);
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_put:
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}
