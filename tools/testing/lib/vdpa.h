/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of a VMM with vhost-vdpa, and of its guest's driver, as it takes to have
 * a virtio network device of QEMU send a packet and answer it: -netdev user replies
 * to ARP. The device is a PCI one, and vp-vdpa its driver.
 */
#ifndef MSI_LIB_VDPA_H
#define MSI_LIB_VDPA_H

#include <stdbool.h>
#include <stdint.h>

/* The machine's own device, mapped for it in one piece; good for pages of 64K */
#define VDPA_MEMORY	0x10000

enum { VDPA_RECEIVE, VDPA_SEND, VDPA_QUEUES };

struct vdpa {
	int fd;
	uint64_t first, last;		/* what it says that may be mapped */
	void *memory;
	uint64_t iova;			/* of that */
	int call[VDPA_QUEUES];		/* eventfds: the interrupts of each queue */
	int kick[VDPA_QUEUES];
	uint16_t done[VDPA_QUEUES];	/* buffers that are used */
};

/* Its address: VDPA of the environment, or 0000:00:05.0 */
const char *vdpa_address(void);

/* All return 0, or a negative errno */
/* Gives the PCI device its vDPA device, if it has none */
int vdpa_add(const char *bdf);
/* What cannot be opened leaves nothing open */
int vdpa_open(struct vdpa *vdpa);
int vdpa_map(struct vdpa *vdpa, void *at, uint64_t iova, uint64_t size);
/* Until DRIVER_OK, with the queues and buffers at @iova; -EIO if it does not get there */
int vdpa_start(struct vdpa *vdpa, uint64_t iova);
/*
 * Sends a packet, and returns when the device has used its buffer and that of the
 * answer, and has sent what interrupts it sends for that. By looking at memory:
 * interrupts may not arrive.
 */
int vdpa_exchange(struct vdpa *vdpa);
void vdpa_close(struct vdpa *vdpa);

/* The packet, and whether what came is its answer, of VDPA_ANSWER bytes at least */
#define VDPA_QUESTION	60
#define VDPA_ANSWER	42
extern const uint8_t vdpa_question[VDPA_QUESTION];
bool vdpa_is_answer(const uint8_t *packet);

#endif
