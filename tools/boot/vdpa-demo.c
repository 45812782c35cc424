// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: vdpa-demo add <PCI address>
 *        vdpa-demo ask <network device>
 *
 * In the host: gives a virtio PCI device its vDPA device. In the guest: asks QEMU
 * for its own address by ARP, ROUNDS times, and prints how often that was answered.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include "lib/clock.h"
#include "lib/sys.h"
#include "lib/vdpa.h"

#define ROUNDS	20
#define TRIES	20

static int open_network(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = __builtin_bswap16(ETH_P_ARP),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	ret = sys_ioctl(fd, SIOCSIFFLAGS, &request) ?:
	      sys_ioctl(fd, SIOCGIFINDEX, &request);
	address.sll_ifindex = request.ifr_ifindex;
	if (!ret && bind(fd, (struct sockaddr *)&address, sizeof(address)))
		ret = -errno;
	if (ret)
		close(fd);
	return ret ?: fd;
}

/* A packet that is sent before the device's link is up is lost, and nobody says so */
static bool answered(struct pollfd *network)
{
	uint8_t packet[2048];
	int i;

	for (i = 0; i < TRIES; i++) {
		if (send(network->fd, vdpa_question, VDPA_QUESTION, 0) != VDPA_QUESTION)
			return false;
		if (poll(network, 1, paced(500)) == 1)
			return recv(network->fd, packet, sizeof(packet), 0) >= VDPA_ANSWER &&
			       vdpa_is_answer(packet);
	}
	return false;
}

static int ask(const char *name)
{
	struct pollfd network = { .fd = open_network(name), .events = POLLIN };
	int answers = 0;

	if (network.fd < 0) {
		fprintf(stderr, "vdpa-demo: %s: %s\n", name, strerror(-network.fd));
		return 1;
	}
	while (answers < ROUNDS && answered(&network))
		answers++;
	printf("%d\n", answers);
	return answers != ROUNDS;
}

static int add(const char *bdf)
{
	int ret = vdpa_add(bdf);

	if (ret)
		fprintf(stderr, "vdpa-demo: %s: %s\n", bdf, strerror(-ret));
	return ret != 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "add"))
		return add(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	fprintf(stderr, "usage: vdpa-demo add <PCI address> | ask <network device>\n");
	return 2;
}
