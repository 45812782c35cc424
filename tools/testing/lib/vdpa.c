// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "clock.h"
#include "events.h"
#include "sys.h"
#include "vdpa.h"
#include "vfio.h"

#define NAME		"vdpa0"
#define FILE_NAME	"/dev/vhost-vdpa-0"
#define PATIENCE	paced(10000)	/* milliseconds */

#define DEPTH		8
/* In memory, at the beginning of what each queue has of it; its buffer follows */
#define QUEUE(n)	(0x1000 * (n))
#define DESC		0x000
#define AVAIL		0x100
#define USED		0x200
#define BUFFER		0x400
#define BUFFER_SIZE	0x800

#define FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM)
#define DRIVER		(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

struct message {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	char rest[512];
};

const char *vdpa_address(void)
{
	return getenv("VDPA") ?: "0000:00:05.0";
}

static void add_text(struct message *m, int type, const char *text)
{
	struct nlattr *attr = (void *)((char *)m + m->nl.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + strlen(text) + 1;
	strcpy((char *)attr + NLA_HDRLEN, text);
	m->nl.nlmsg_len += NLA_ALIGN(attr->nla_len);
}

static struct message request(int family, int command, int version, int flags)
{
	return (struct message) {
		.nl = {
			.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family,
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
		.genl = { .cmd = command, .version = version },
	};
}

/* Sends it, and receives an answer, or whether it was done */
static int talk(int fd, struct message *m)
{
	ssize_t n;

	if (send(fd, m, m->nl.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, m, sizeof(*m), 0);
	if (n < 0)
		return -errno;
	if (m->nl.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&m->nl))->error;
	return 0;
}

static int family_of(struct message *m)
{
	struct nlattr *attr;
	char *at;

	for (at = m->rest; at < (char *)m + m->nl.nlmsg_len;
	     at += NLA_ALIGN(attr->nla_len)) {
		attr = (void *)at;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(at + NLA_HDRLEN);
	}
	return -ENOENT;
}

static int find_family(int fd)
{
	struct message m = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);

	add_text(&m, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	return talk(fd, &m) ?: family_of(&m);
}

static int add_device(int fd, int family, const char *bdf)
{
	struct message m = request(family, VDPA_CMD_DEV_NEW, VDPA_GENL_VERSION,
				   NLM_F_ACK);

	if (family < 0)
		return family;
	add_text(&m, VDPA_ATTR_MGMTDEV_BUS_NAME, "pci");
	add_text(&m, VDPA_ATTR_MGMTDEV_DEV_NAME, bdf);
	add_text(&m, VDPA_ATTR_DEV_NAME, NAME);
	return talk(fd, &m);
}

int vdpa_add(const char *bdf)
{
	int fd, ret;

	if (!access(FILE_NAME, F_OK))
		return 0;
	ret = device_unbind(bdf) ?:
	      file_write("vp-vdpa", "/sys/bus/pci/devices/%s/driver_override", bdf) ?:
	      file_write(bdf, "/sys/bus/pci/drivers_probe");
	if (ret)
		return ret;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -errno;
	ret = add_device(fd, find_family(fd), bdf);
	close(fd);
	return ret;
}

static int add_status(struct vdpa *vdpa, uint8_t status)
{
	uint8_t now;
	int ret = sys_ioctl(vdpa->fd, VHOST_VDPA_SET_STATUS, &status) ?:
		  sys_ioctl(vdpa->fd, VHOST_VDPA_GET_STATUS, &now);

	return ret ?: now == status ? 0 : -EIO;
}

static int set_up(struct vdpa *vdpa)
{
	uint64_t messages = 1ULL << VHOST_BACKEND_F_IOTLB_MSG_V2, features = FEATURES;
	struct vhost_vdpa_iova_range range;
	int ret;

	ret = sys_ioctl(vdpa->fd, VHOST_SET_OWNER, NULL) ?:
	      sys_ioctl(vdpa->fd, VHOST_SET_BACKEND_FEATURES, &messages) ?:
	      add_status(vdpa, DRIVER) ?:
	      sys_ioctl(vdpa->fd, VHOST_SET_FEATURES, &features) ?:
	      add_status(vdpa, DRIVER | VIRTIO_CONFIG_S_FEATURES_OK) ?:
	      sys_ioctl(vdpa->fd, VHOST_VDPA_GET_IOVA_RANGE, &range) ?:
	      events_open(vdpa->call, VDPA_QUEUES);
	if (ret)
		return ret;
	vdpa->first = range.first;
	vdpa->last = range.last;
	ret = events_open(vdpa->kick, VDPA_QUEUES);
	if (ret)
		events_close(vdpa->call, VDPA_QUEUES);
	return ret;
}

int vdpa_open(struct vdpa *vdpa)
{
	int ret;

	*vdpa = (struct vdpa) { .fd = open(FILE_NAME, O_RDWR | O_CLOEXEC) };
	if (vdpa->fd < 0)
		return -errno;
	vdpa->memory = memory_new(VDPA_MEMORY);
	ret = vdpa->memory ? set_up(vdpa) : -ENOMEM;
	if (ret) {
		if (vdpa->memory)
			munmap(vdpa->memory, VDPA_MEMORY);
		close(vdpa->fd);
		vdpa->fd = -1;
	}
	return ret;
}

int vdpa_map(struct vdpa *vdpa, void *at, uint64_t iova, uint64_t size)
{
	struct vhost_msg_v2 msg = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = {
			.iova = iova, .size = size, .uaddr = (uintptr_t)at,
			.perm = VHOST_ACCESS_RW, .type = VHOST_IOTLB_UPDATE,
		},
	};
	ssize_t n = write(vdpa->fd, &msg, sizeof(msg));

	return n < 0 ? -errno : n == sizeof(msg) ? 0 : -EIO;
}

static int start_queue(struct vdpa *vdpa, unsigned int n)
{
	struct vhost_vring_file call = { .index = n, .fd = vdpa->call[n] };
	struct vhost_vring_file kick = { .index = n, .fd = vdpa->kick[n] };
	struct vhost_vring_state size = { .index = n, .num = DEPTH };
	struct vhost_vring_state base = { .index = n };
	struct vhost_vring_state enable = { .index = n, .num = 1 };
	struct vhost_vring_addr addr = {
		.index = n,
		.desc_user_addr = vdpa->iova + QUEUE(n) + DESC,
		.avail_user_addr = vdpa->iova + QUEUE(n) + AVAIL,
		.used_user_addr = vdpa->iova + QUEUE(n) + USED,
	};

	return sys_ioctl(vdpa->fd, VHOST_SET_VRING_NUM, &size) ?:
	       sys_ioctl(vdpa->fd, VHOST_SET_VRING_BASE, &base) ?:
	       sys_ioctl(vdpa->fd, VHOST_SET_VRING_ADDR, &addr) ?:
	       sys_ioctl(vdpa->fd, VHOST_SET_VRING_KICK, &kick) ?:
	       sys_ioctl(vdpa->fd, VHOST_SET_VRING_CALL, &call) ?:
	       sys_ioctl(vdpa->fd, VHOST_VDPA_SET_VRING_ENABLE, &enable);
}

int vdpa_start(struct vdpa *vdpa, uint64_t iova)
{
	int n, ret = vdpa_map(vdpa, vdpa->memory, iova, VDPA_MEMORY);

	vdpa->iova = iova;
	for (n = 0; !ret && n < VDPA_QUEUES; n++)
		ret = start_queue(vdpa, n);
	return ret ?: add_status(vdpa, DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
				 VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The device may have the buffer of the queue, of which it uses @size bytes */
static int give(struct vdpa *vdpa, int n, uint32_t size, uint16_t flags)
{
	struct vring_desc *desc = vdpa->memory + QUEUE(n) + DESC;
	struct vring_avail *avail = vdpa->memory + QUEUE(n) + AVAIL;
	uint64_t one = 1;

	*desc = (struct vring_desc) {
		.addr = vdpa->iova + QUEUE(n) + BUFFER, .len = size, .flags = flags,
	};
	avail->ring[vdpa->done[n] % DEPTH] = 0;
	__atomic_store_n(&avail->idx, vdpa->done[n] + 1, __ATOMIC_RELEASE);
	return write(vdpa->kick[n], &one, sizeof(one)) == sizeof(one) ? 0 : -EIO;
}

static int take(struct vdpa *vdpa, int n)
{
	struct vring_used *used = vdpa->memory + QUEUE(n) + USED;
	int i, limit = PATIENCE;

	for (i = 0; i < limit; i++) {
		uint16_t idx = __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE);

		if (idx != vdpa->done[n]) {
			vdpa->done[n]++;
			return idx == vdpa->done[n] ? 0 : -EIO;
		}
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* Who has 10.0.2.2, QEMU's own address? */
const uint8_t vdpa_question[VDPA_QUESTION] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0x12, 0x34, 0x56,
	0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1,
	0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 0, 2, 15,
	0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
};

/* That it is one, and that it is of that address */
bool vdpa_is_answer(const uint8_t *packet)
{
	return packet[21] == 2 && !memcmp(packet + 28, vdpa_question + 38, 4);
}

int vdpa_exchange(struct vdpa *vdpa)
{
	const size_t header = sizeof(struct virtio_net_hdr_v1);
	uint8_t status, *buffer = vdpa->memory + QUEUE(VDPA_SEND) + BUFFER;
	uint8_t *answer = vdpa->memory + QUEUE(VDPA_RECEIVE) + BUFFER + header;
	int ret;

	memset(buffer, 0, header);
	memcpy(buffer + header, vdpa_question, VDPA_QUESTION);
	memset(answer, 0, VDPA_ANSWER);
	ret = give(vdpa, VDPA_RECEIVE, BUFFER_SIZE, VRING_DESC_F_WRITE) ?:
	      give(vdpa, VDPA_SEND, header + VDPA_QUESTION, 0) ?:
	      take(vdpa, VDPA_SEND) ?: take(vdpa, VDPA_RECEIVE) ?:
	      /* QEMU does not answer before it is done with what it has begun */
	      sys_ioctl(vdpa->fd, VHOST_VDPA_GET_STATUS, &status);
	return ret ?: vdpa_is_answer(answer) ? 0 : -EPROTO;
}

void vdpa_close(struct vdpa *vdpa)
{
	if (vdpa->fd < 0)
		return;
	close(vdpa->fd);
	munmap(vdpa->memory, VDPA_MEMORY);
	events_close(vdpa->call, VDPA_QUEUES);
	events_close(vdpa->kick, VDPA_QUEUES);
	vdpa->fd = -1;
}
