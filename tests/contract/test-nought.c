/* SPDX-License-Identifier: MIT */

/*
 * Descriptor 0 is one like any other: a program that has closed its standard
 * input gets it from whatever call comes next.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "child.h"

static struct reactor *reactor;
static struct bufferevent_listener *listener;
static struct sockaddr_storage address;
static socklen_t length;
static int accepted = -1, connected;

static int report(const char *wrong)
{
	fprintf(stderr, "%s (%s)\n", wrong, strerror(errno));
	return 1;
}

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *peer, socklen_t peer_length,
		      void *data)
{
	(void)l;
	(void)peer;
	(void)peer_length;
	(void)data;
	accepted = fd;
}

static void on_connected(struct bufferevent *b, unsigned what)
{
	(void)b;
	connected += what == EVBUFFER_WRITE;
}

static void run(struct reactor_task *t)
{
	(void)t;
	connected++;
}

static bool listen_somewhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listener = bufferevent_listen(reactor, (struct sockaddr *)&a, sizeof(a),
				      0, on_accept, NULL);
	length = sizeof(address);
	return listener &&
	       getsockname(bufferevent_listener_get_fd(listener),
			   (struct sockaddr *)&address, &length) == 0;
}

static struct bufferevent *connect_there(void)
{
	return bufferevent_connect(reactor, (struct sockaddr *)&address, length,
				   NULL, on_connected, on_connected);
}

/* Both ends are there. */
static bool meet(void)
{
	struct bufferevent *b = connect_there();

	for (int i = 0; b && i < 20 && (accepted < 0 || connected == 0); i++)
		reactor_turn(reactor, 100);
	bufferevent_free(b);
	return accepted >= 0 && connected == 1;
}

static int end(bool ok, const char *wrong)
{
	if (accepted >= 0)
		close(accepted);
	bufferevent_listener_free(listener);
	reactor_free(reactor);
	return ok ? 0 : report(wrong);
}

/* The kernel's own, or the bell; then they are made anew, as in a child. */
static int by_the_reactor(void *backend)
{
	struct reactor_task task = { .run = run };

	close(0);
	errno = EDOM; /* for who takes 0 for a failure */
	reactor = reactor_new(backend);
	if (!reactor)
		return report("no reactor");
	for (int i = 0; i < 2; i++) {
		reactor_post(reactor, &task);
		if (reactor_turn(reactor, 1000) != 1 || connected != i + 1)
			return report("the task did not run");
		errno = EDOM;
		if (reactor_fork(reactor) != 0)
			return report("reactor_fork");
	}
	reactor_free(reactor);
	return 0;
}

static int by_a_listener(void *arg)
{
	(void)arg;
	reactor = reactor_new(NULL);
	close(0);
	if (!listen_somewhere() || bufferevent_listener_get_fd(listener) != 0)
		return report("no listener");
	return end(meet(), "nobody met");
}

static int by_a_connect(void *arg)
{
	struct bufferevent *b;

	(void)arg;
	reactor = reactor_new(NULL);
	if (!listen_somewhere())
		return report("no listener");
	close(0);
	b = connect_there();
	if (!b || bufferevent_get_fd(b) != 0)
		return report("no connection");
	for (int i = 0; i < 20 && (accepted < 0 || connected == 0); i++)
		reactor_turn(reactor, 100);
	bufferevent_free(b);
	return end(accepted >= 0 && connected == 1, "not connected");
}

static int by_an_accept(void *arg)
{
	struct bufferevent *b;

	(void)arg;
	reactor = reactor_new(NULL);
	if (!listen_somewhere())
		return report("no listener");
	b = connect_there();
	close(0);
	for (int i = 0; b && i < 20 && accepted < 0; i++)
		reactor_turn(reactor, 100);
	bufferevent_free(b);
	return end(b && accepted == 0, "not accepted");
}

static void test_the_reactor(void **state)
{
	char poll[] = "poll";

	(void)state;
	child_succeeds(by_the_reactor, NULL);
	/* This one has no descriptor but the bell. */
	child_succeeds(by_the_reactor, poll);
}

static void test_a_listener(void **state)
{
	(void)state;
	child_succeeds(by_a_listener, NULL);
}

static void test_a_connect(void **state)
{
	(void)state;
	child_succeeds(by_a_connect, NULL);
}

static void test_an_accept(void **state)
{
	(void)state;
	child_succeeds(by_an_accept, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_the_reactor),
		harness_test(test_a_listener),
		harness_test(test_a_connect),
		harness_test(test_an_accept),
	};

	return cmocka_run_group_tests_name("contract/nought", tests, NULL,
					   NULL);
}
