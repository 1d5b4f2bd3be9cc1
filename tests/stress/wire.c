/* SPDX-License-Identifier: MIT */

/*
 * A bad wire between two network namespaces.
 *
 * Each namespace has a tun device, and a child copies the packets from one to
 * the other: some are lost, some come twice, all come late and some of them out
 * of order, and now and then the wire is cut for a moment.  TCP has to mend
 * that, and what the kernel then reports is what an application meets outside
 * of loopback.
 *
 * A socket belongs to the namespace in which it was made, so one process can
 * have both ends.  (tc-netem(8) would do the same where the kernel has it; many
 * do not, and a process of one's own has its lots drawn from the seed.)
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "stress.h"

enum {
	PACKET_MOST = 2048,
	QUEUE_MOST = 4000, /* packets under way; more are lost */
	A_TIME = 64,	   /* packets that are read at a time */
	LOST_OF_1000 = 20,
	TWICE_OF_1000 = 10,
	DELAY_MS = 3,
	JITTER_MS = 8,
	CUT_EVERY_MS = 3000,
	CUT_MS = 100,
	SLOTS = 16 /* more than DELAY_MS + JITTER_MS */
};

struct packet {
	struct packet *next;
	int to; /* which device */
	size_t n;
	unsigned char bytes[PACKET_MOST];
};

/* What is under way stands in the slot of the millisecond when it is due. */
static struct {
	int tun[2];
	uint64_t dice, last; /* ms: what was due until then has been given */
	struct {
		struct packet *head, **tail;
	} slot[SLOTS];
	unsigned count;
} wire;

static pid_t child;

/* --- The child ----------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void send_late(int to, const unsigned char *bytes, size_t n)
{
	uint64_t due =
		wire.last + 1 + DELAY_MS + stress_dice(&wire.dice, JITTER_MS);
	struct packet *p;

	if (wire.count == QUEUE_MOST || !(p = malloc(sizeof(*p))))
		return;
	p->next = NULL;
	p->to = to;
	p->n = n;
	memcpy(p->bytes, bytes, n);
	*wire.slot[due % SLOTS].tail = p;
	wire.slot[due % SLOTS].tail = &p->next;
	wire.count++;
}

static void take(int from)
{
	unsigned char bytes[PACKET_MOST];
	ssize_t n;

	for (int i = 0; i < A_TIME; i++) {
		n = read(wire.tun[from], bytes, sizeof(bytes));
		if (n <= 0)
			return;
		if (wire.last % CUT_EVERY_MS < CUT_MS ||
		    stress_dice(&wire.dice, 1000) < LOST_OF_1000)
			continue;
		send_late(!from, bytes, (size_t)n);
		if (stress_dice(&wire.dice, 1000) < TWICE_OF_1000)
			send_late(!from, bytes, (size_t)n);
	}
}

/* What a device does not take is lost, too. */
static void give_slot(unsigned slot)
{
	struct packet *p, *next;

	for (p = wire.slot[slot].head; p; p = next) {
		if (write(wire.tun[p->to], p->bytes, p->n) < 0 &&
		    errno != EAGAIN && errno != ENOBUFS)
			_exit(1);
		next = p->next;
		wire.count--;
		free(p);
	}
	wire.slot[slot].head = NULL;
	wire.slot[slot].tail = &wire.slot[slot].head;
}

static void give(void)
{
	uint64_t now = now_ms();

	if (now > wire.last + SLOTS)
		wire.last = now - SLOTS;
	while (wire.last < now)
		give_slot((unsigned)(++wire.last % SLOTS));
}

__attribute__((noreturn)) static void be_the_wire(void)
{
	struct pollfd fds[2] = { { .fd = wire.tun[0], .events = POLLIN },
				 { .fd = wire.tun[1], .events = POLLIN } };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(0);
	for (unsigned i = 0; i < SLOTS; i++)
		give_slot(i);
	for (;;) {
		if (poll(fds, 2, wire.count > 0 ? 1 : -1) < 0 && errno != EINTR)
			_exit(1);
		give();
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				take(i);
	}
}

/* --- The namespaces ------------------------------------------------------ */

/* A request is an int in musl, else an unsigned long. */
static int set_address(int s, const char *device, uint16_t request,
		       const char *address)
{
	struct ifreq r;
	struct sockaddr_in in = { .sin_family = AF_INET };

	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	inet_pton(AF_INET, address, &in.sin_addr);
	memcpy(&r.ifr_addr, &in, sizeof(in));
	return ioctl(s, request, &r);
}

static int bring_up(const char *device, const char *address)
{
	struct ifreq r;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed;

	if (s < 0)
		return -1;
	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", device);
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	failed = set_address(s, device, SIOCSIFADDR, address) < 0 ||
		 set_address(s, device, SIOCSIFNETMASK, "255.255.255.0") < 0 ||
		 ioctl(s, SIOCSIFFLAGS, &r) < 0;
	close(s);
	return failed ? -1 : 0;
}

/* A device in the namespace of the moment; its descriptor, or -1. */
static int open_tun(const char *address)
{
	struct ifreq r;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	memset(&r, 0, sizeof(r));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "wire0");
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &r) == 0 && bring_up("wire0", address) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A new namespace, its device, and a descriptor to come back by. */
static int open_end(int flags, const char *address, int *tun)
{
	if (unshare(flags) < 0)
		return -1;
	*tun = open_tun(address);
	if (*tun < 0)
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

const char *stress_open_wire(uint64_t seed, void (*listen)(void *), void *arg)
{
	int user = geteuid() == 0 ? 0 : CLONE_NEWUSER;
	int first = open_end(user | CLONE_NEWNET, STRESS_WIRE_ADDRESS,
			     &wire.tun[0]);
	int second = -1;

	wire.dice = seed;
	if (first >= 0)
		second = open_end(CLONE_NEWNET, "10.77.0.2", &wire.tun[1]);
	if (second < 0)
		return strerror(errno);
	child = fork();
	if (child < 0)
		return strerror(errno);
	if (child == 0)
		be_the_wire();
	close(wire.tun[0]);
	close(wire.tun[1]);
	if (setns(first, CLONE_NEWNET) < 0)
		return strerror(errno);
	listen(arg);
	if (setns(second, CLONE_NEWNET) < 0)
		return strerror(errno);
	close(first);
	close(second);
	return NULL;
}

void stress_close_wire(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
