/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef IOMMU_MSI_BACKENDS_H
#define IOMMU_MSI_BACKENDS_H

#include "lib/vfio.h"
#include "kselftest_harness.h"

/* Each test of @fixture is run by type1 and by iommufd: see variant->backend */
#define FIXTURE_OF_BACKENDS(fixture)					\
	FIXTURE_VARIANT(fixture) { enum backend backend; };		\
	FIXTURE_VARIANT_ADD(fixture, type1) { .backend = TYPE1 };	\
	FIXTURE_VARIANT_ADD(fixture, iommufd) { .backend = IOMMUFD }

#endif
