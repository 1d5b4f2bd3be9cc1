/* SPDX-License-Identifier: MIT */
/* What all servers do alike; see server.h. */

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

unsigned long server_writes, server_given;

void server_fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

void server_widen(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int server_listen(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		server_fail("listen");
	server_widen();
	return fd;
}

void server_announce(int fd)
{
	struct sockaddr_in here;
	socklen_t size = sizeof(here);

	if (getsockname(fd, (struct sockaddr *)&here, &size) < 0)
		server_fail("getsockname");
	printf("%d\n", ntohs(here.sin_port));
	fflush(stdout);
}

void server_tune(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void server_greet(int fd)
{
	if (send(fd, "+", 1, MSG_NOSIGNAL) != 1)
		server_fail("greeting");
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

void server_report(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"user\": %.6f, \"sys\": %.6f, \"waits\": %lu, "
	       "\"ready\": %lu, \"writes\": %lu, \"given\": %lu, "
	       "\"max_rss_kib\": %ld}\n",
	       seconds(usage.ru_utime), seconds(usage.ru_stime), server_waits,
	       server_ready, server_writes, server_given, usage.ru_maxrss);
	fflush(stdout);
}
