/* SPDX-License-Identifier: MIT */
/*
 * The fixture, the census of descriptors, and sockets for tests.  See
 * harness.h.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

enum {
	CENSUS_MOST = 16384, /* descriptors from here on are not counted */
	LIMIT_SECONDS = 20,
	SLOW_FACTOR = 10,
	PATIENCE_MS = 10000
};

struct census {
	bool open[CENSUS_MOST];
};

static struct census before, after;

static void take_census(struct census *census)
{
	DIR *dir = opendir("/dev/fd");
	const struct dirent *entry;
	char *end;
	long fd;

	assert_non_null(dir);
	memset(census, 0, sizeof(*census));
	while ((entry = readdir(dir)) != NULL) {
		fd = strtol(entry->d_name, &end, 10);
		if (*end == '\0' && end != entry->d_name && fd < CENSUS_MOST &&
		    fd != dirfd(dir))
			census->open[fd] = true;
	}
	closedir(dir);
}

static void report(int fd, const char *how)
{
	char path[64], target[256] = "?";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0)
		target[n] = '\0';
	print_error("descriptor %d (%s) was %s\n", fd, target, how);
}

/* How many descriptors are not what they were. */
static int compare_census(void)
{
	int differ = 0;

	take_census(&after);
	for (int fd = 0; fd < CENSUS_MOST; fd++) {
		if (before.open[fd] == after.open[fd])
			continue;
		report(fd, after.open[fd] ? "leaked" : "closed by mistake");
		differ++;
	}
	return differ;
}

int harness_setup(void **state)
{
	unsigned limit = LIMIT_SECONDS;
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	if (getenv("BUFEV_SLOW") != NULL)
		limit *= SLOW_FACTOR;
	alarm(limit);
	take_census(&before);
	fixture->reactor = reactor_new(NULL);
	if (fixture->reactor == NULL) {
		print_error("reactor_new: %s\n", strerror(errno));
		free(fixture);
		return -1;
	}
	*state = fixture;
	return 0;
}

int harness_teardown(void **state)
{
	struct fixture *fixture = *state;
	int differ;

	reactor_free(fixture->reactor);
	free(fixture);
	*state = NULL;
	differ = compare_census();
	alarm(0);
	return differ == 0 ? 0 : -1;
}

void harness_pair(int fd[2])
{
	assert_return_code(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), errno);
}

void harness_tcp_pair(int fd[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(listener, errno);
	assert_return_code(bind(listener, (struct sockaddr *)&address, length),
			   errno);
	assert_return_code(listen(listener, 1), errno);
	assert_return_code(getsockname(listener, (struct sockaddr *)&address,
				       &length),
			   errno);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(fd[0], errno);
	assert_return_code(connect(fd[0], (struct sockaddr *)&address, length),
			   errno);
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_return_code(fd[1], errno);
	harness_close(listener);
}

void harness_close(int fd)
{
	assert_return_code(close(fd), errno);
}

void harness_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
				      sizeof(linger)),
			   errno);
	harness_close(fd);
}

/* Packets of a TCP socket that make room when they have arrived. */
static unsigned under_way(int fd)
{
#ifdef __linux__
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
		return info.tcpi_unacked;
#else
	(void)fd;
#endif
	return 0;
}

/* What the peer had no room for never does. */
static void await_arrival(int fd)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 1000 && under_way(fd) > 0; i++)
		nanosleep(&ms, NULL);
}

size_t harness_flood(int fd)
{
	static const char block[64 * 1024];
	int flags = fcntl(fd, F_GETFL);
	size_t sum = 0, size = sizeof(block);
	ssize_t n;

	assert_return_code(flags, errno);
	assert_return_code(fcntl(fd, F_SETFL, flags | O_NONBLOCK), errno);
	/* The last bytes of room may only be had in small pieces. */
	while (size > 0) {
		n = write(fd, block, size);
		if (n >= 0) {
			sum += (size_t)n;
		} else if (errno != EINTR) {
			assert_int_equal(errno, EAGAIN);
			size /= 2;
		}
	}
	assert_return_code(fcntl(fd, F_SETFL, flags), errno);
	return sum;
}

void harness_fill(int fd)
{
	while (harness_flood(fd) > 0)
		await_arrival(fd);
}

size_t harness_drain(int fd)
{
	char block[16 * 1024];
	size_t sum = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, block, sizeof(block), MSG_DONTWAIT);
		if (n > 0) {
			sum += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ECONNRESET)
			assert_int_equal(errno, EAGAIN);
		return sum;
	}
}

static ssize_t send_some(int fd, const char *text, size_t n)
{
	ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

	if (sent < 0 && errno == ENOTSOCK)
		return write(fd, text, n);
	return sent;
}

void harness_await(int fd, short events)
{
	struct pollfd one = { .fd = fd, .events = events };

	assert_int_equal(poll(&one, 1, PATIENCE_MS), 1);
	assert_true(one.revents & events);
}

void harness_send(int fd, const char *text)
{
	size_t left = strlen(text);
	ssize_t n;

	while (left > 0) {
		n = send_some(fd, text, left);
		if (n < 0 && errno == EAGAIN) {
			harness_await(fd, POLLOUT);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		assert_return_code(n, errno);
		text += n;
		left -= (size_t)n;
	}
}

int harness_turns(struct reactor *reactor, bool (*done)(void *), void *arg,
		  int max)
{
	for (int turns = 0; turns <= max; turns++) {
		if (done(arg))
			return turns;
		if (turns < max)
			assert_return_code(reactor_turn(reactor, 1000), errno);
	}
	fail_msg("not done after %d turns", max);
	return -1;
}

int harness_spin(struct reactor *reactor, int n)
{
	int sum = 0, callbacks;

	while (n-- > 0) {
		callbacks = reactor_turn(reactor, 0);
		assert_return_code(callbacks, errno);
		sum += callbacks;
	}
	return sum;
}

uint64_t harness_now_ms(void)
{
	struct timespec now;

	assert_return_code(clock_gettime(CLOCK_MONOTONIC, &now), errno);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void harness_quote(const char *sentence)
{
	print_message("# %s\n", sentence);
}
