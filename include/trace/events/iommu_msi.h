/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the MSI doorbell layer
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommu_msi

#if !defined(_TRACE_IOMMU_MSI_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IOMMU_MSI_H

#include <linux/range.h>
#include <linux/tracepoint.h>

TRACE_EVENT(iommu_msi_set_aperture,

	TP_PROTO(u32 domain, dma_addr_t start, dma_addr_t end),

	TP_ARGS(domain, start, end),

	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u64, start)
		__field(u64, end)
	),

	TP_fast_assign(
		__entry->domain = domain;
		__entry->start = start;
		__entry->end = end;
	),

	TP_printk("domain=%u start=0x%016llx end=0x%016llx",
		  __entry->domain, __entry->start, __entry->end)
);

DECLARE_EVENT_CLASS(iommu_msi_doorbell,

	TP_PROTO(u32 domain, phys_addr_t pa, dma_addr_t iova, size_t size,
		 unsigned int refs),

	TP_ARGS(domain, pa, iova, size, refs),

	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, refs)
		__field(u64, pa)
		__field(u64, iova)
		__field(u64, size)
	),

	TP_fast_assign(
		__entry->domain = domain;
		__entry->refs = refs;
		__entry->pa = pa;
		__entry->iova = iova;
		__entry->size = size;
	),

	TP_printk("domain=%u pa=0x%016llx iova=0x%016llx size=0x%llx refs=%u",
		  __entry->domain, __entry->pa, __entry->iova, __entry->size,
		  __entry->refs)
);

DEFINE_EVENT(iommu_msi_doorbell, iommu_msi_map,
	TP_PROTO(u32 domain, phys_addr_t pa, dma_addr_t iova, size_t size,
		 unsigned int refs),
	TP_ARGS(domain, pa, iova, size, refs)
);

DEFINE_EVENT(iommu_msi_doorbell, iommu_msi_get,
	TP_PROTO(u32 domain, phys_addr_t pa, dma_addr_t iova, size_t size,
		 unsigned int refs),
	TP_ARGS(domain, pa, iova, size, refs)
);

DEFINE_EVENT(iommu_msi_doorbell, iommu_msi_put,
	TP_PROTO(u32 domain, phys_addr_t pa, dma_addr_t iova, size_t size,
		 unsigned int refs),
	TP_ARGS(domain, pa, iova, size, refs)
);

DEFINE_EVENT(iommu_msi_doorbell, iommu_msi_unmap,
	TP_PROTO(u32 domain, phys_addr_t pa, dma_addr_t iova, size_t size,
		 unsigned int refs),
	TP_ARGS(domain, pa, iova, size, refs)
);

TRACE_EVENT(iommu_msi_window_refused,

	TP_PROTO(const struct range *window, struct va_format *reason),

	TP_ARGS(window, reason),

	TP_STRUCT__entry(
		__field(u64, start)
		__field(u64, last)
		__vstring(reason, reason->fmt, reason->va)
	),

	TP_fast_assign(
		__entry->start = window->start;
		__entry->last = window->end;
		__assign_vstr(reason, reason->fmt, reason->va);
	),

	TP_printk("window=%#llx-%#llx %s", __entry->start, __entry->last,
		  __get_str(reason))
);

#endif /* _TRACE_IOMMU_MSI_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
