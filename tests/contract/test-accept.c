/* SPDX-License-Identifier: MIT */

/*
 * Accept: the listener, what it hands out, and what it does where there is
 * nothing to hand out.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "../support/script-kernel.h"
#include "party.h"

enum { MANY = 130 };

/* A listener, its clients, and what was accepted. */
struct gate {
	struct bufferevent_listener *listener;
	struct sockaddr_storage address;
	socklen_t length;
	int fd[MANY], accepted;
	int client[MANY], clients;
	struct sockaddr_storage peer; /* of the last */
	socklen_t peer_length;
	int batch; /* accepted in this turn */
	bool free_it;
};

static void on_accept(struct bufferevent_listener *listener, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	struct gate *g = data;

	assert_ptr_equal(listener, g->listener);
	assert_true(g->accepted < MANY);
	g->fd[g->accepted++] = fd;
	g->batch++;
	g->peer_length = length;
	assert_true(length <= sizeof(g->peer));
	memcpy(&g->peer, address, length);
	if (g->free_it) {
		bufferevent_listener_free(listener);
		g->listener = NULL;
	}
}

static void gate_open_on(struct gate *g, struct reactor *reactor,
			 const void *address, size_t length, unsigned flags)
{
	memset(g, 0, sizeof(*g));
	g->listener = bufferevent_listen(reactor, address, (socklen_t)length,
					 flags, on_accept, g);
	assert_non_null(g->listener);
	g->length = sizeof(g->address);
	assert_int_equal(getsockname(bufferevent_listener_get_fd(g->listener),
				     (struct sockaddr *)&g->address,
				     &g->length),
			 0);
}

static struct sockaddr_in loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void gate_open(struct gate *g, struct reactor *reactor)
{
	struct sockaddr_in address = loopback();

	gate_open_on(g, reactor, &address, sizeof(address), 0);
}

/* A new client, connected: on loopback the queue is all that it needs. */
static void gate_knock(struct gate *g)
{
	int fd = socket(g->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&g->address, g->length),
			 0);
	g->client[g->clients++] = fd;
}

static void gate_end(struct gate *g)
{
	bufferevent_listener_free(g->listener);
	while (g->accepted > 0)
		harness_close(g->fd[--g->accepted]);
	while (g->clients > 0)
		harness_close(g->client[--g->clients]);
}

static bool all_are_in(void *gate)
{
	const struct gate *g = gate;

	return g->accepted == g->clients;
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

/* --- What comes ---------------------------------------------------------- */

static void test_flags_of_an_accepted_fd(void **state)
{
	struct fixture *f = *state;
	struct gate g;

	harness_quote("fds come non-blocking and close-on-exec");
	gate_open(&g, f->reactor);
	gate_knock(&g);
	harness_turns(f->reactor, all_are_in, &g, 10);
	assert_true(fcntl(g.fd[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(g.fd[0], F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(bufferevent_listener_get_fd(g.listener), F_GETFD) &
		    FD_CLOEXEC);
	gate_end(&g);
}

static void test_address_of_the_peer(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in own;
	socklen_t length = sizeof(own);
	struct gate g;

	harness_quote("fds come non-blocking and close-on-exec");
	gate_open(&g, f->reactor);
	gate_knock(&g);
	harness_turns(f->reactor, all_are_in, &g, 10);
	assert_int_equal(
		getsockname(g.client[0], (struct sockaddr *)&own, &length), 0);
	assert_int_equal(g.peer_length, length);
	assert_int_equal(((struct sockaddr_in *)&g.peer)->sin_port,
			 own.sin_port);
	assert_int_equal(((struct sockaddr_in *)&g.peer)->sin_addr.s_addr,
			 own.sin_addr.s_addr);
	gate_end(&g);
}

/* --- Where no descriptor is to be had ------------------------------------ */

static const char pauses[] =
	"on `EMFILE`/`ENFILE`/`ENOBUFS`/`ENOMEM` accepting pauses and tries "
	"again after a short while, without spinning and without losing the "
	"listener";

/* Turns for `ms`; the number of turns. */
static int turn_for(struct reactor *reactor, uint64_t ms)
{
	uint64_t begin = harness_now_ms(), past = 0;
	int turns = 0;

	while (past < ms && turns < 100000) {
		assert_true(reactor_turn(reactor, (int)(ms - past)) >= 0);
		past = harness_now_ms() - begin;
		turns++;
	}
	return turns;
}

static void test_pause_at_the_limit(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, low;
	struct gate g;
	int fd;

	harness_quote(pauses);
	/* At a limit of its own valgrind accepts, and closes it again. */
	if (getenv("BUFEV_SLOW"))
		skip();
	gate_open(&g, f->reactor);
	gate_knock(&g);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	fd = dup(g.client[0]);
	low = limit;
	low.rlim_cur = (rlim_t)fd;
	harness_close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_in_range(turn_for(f->reactor, 200), 1, 40);
	assert_int_equal(g.accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	harness_turns(f->reactor, all_are_in, &g, 20);
	/* And it goes on as before. */
	gate_knock(&g);
	harness_turns(f->reactor, all_are_in, &g, 10);
	gate_end(&g);
}

/* The errno that a pause is for, once: it takes a while, but few turns. */
static void expect_pause(int error)
{
	struct script script;
	struct reactor *reactor = script_reactor(&script);
	uint64_t begin;
	struct gate g;

	assert_non_null(reactor);
	gate_open(&g, reactor);
	script_freeze(&script);
	script_count(&script, -1);
	script_fail(&script, SCRIPT_ACCEPT, 1, 1, error);
	gate_knock(&g);
	begin = script.clock;
	harness_turns(reactor, all_are_in, &g, 20);
	assert_in_range(script.calls[SCRIPT_ACCEPT], 2, 3);
	/* "A short while": not at once, and within a second. */
	assert_true(script.clock > begin);
	assert_true(script.clock - begin <= 1000000000u);
	gate_end(&g);
	reactor_free(reactor);
}

static void test_pause_for_each_errno(void **state)
{
	(void)state;
	harness_quote(pauses);
	expect_pause(EMFILE);
	expect_pause(ENFILE);
	expect_pause(ENOBUFS);
	expect_pause(ENOMEM);
	/* It cannot know that these are worse. */
	expect_pause(EINVAL);
	expect_pause(EOPNOTSUPP);
}

/* It fails for good, and the kernel reports the listener in every turn. */
static void test_pause_for_good(void **state)
{
	enum { SECOND = 1000 };
	struct script script;
	struct reactor *reactor = script_reactor(&script);
	uint64_t end;
	struct gate g;
	int turns;

	(void)state;
	harness_quote(pauses);
	assert_non_null(reactor);
	gate_open(&g, reactor);
	script_freeze(&script);
	script_count(&script, -1);
	assert_int_equal(shutdown(bufferevent_listener_get_fd(g.listener),
				  SHUT_RDWR),
			 0);
	end = script.clock / 1000000 + SECOND;
	for (turns = 0; script.clock / 1000000 < end; turns++) {
		assert_true(turns < 100);
		assert_true(reactor_turn(reactor, SECOND) >= 0);
	}
	assert_in_range(script.calls[SCRIPT_ACCEPT], 2, 20);
	gate_end(&g);
	assert_int_equal(reactor_run(reactor), 0);
	reactor_free(reactor);
}

static void test_free_in_the_pause(void **state)
{
	struct script script;
	struct reactor *reactor = script_reactor(&script);
	struct gate g;

	(void)state;
	harness_quote(pauses);
	assert_non_null(reactor);
	gate_open(&g, reactor);
	script_fail(&script, SCRIPT_ACCEPT, 1, 1, EMFILE);
	gate_knock(&g);
	harness_spin(reactor, 2);
	assert_int_equal(g.accepted, 0);
	gate_end(&g);
	assert_int_equal(reactor_run(reactor), 0);
	reactor_free(reactor);
}

static void test_aborted_is_passed_over(void **state)
{
	static const int errors[] = { ECONNABORTED, EINTR, EPROTO };
	struct script script;
	struct reactor *reactor = script_reactor(&script);
	struct gate g;

	(void)state;
	harness_quote("`ECONNABORTED` and the like are passed over.");
	assert_non_null(reactor);
	gate_open(&g, reactor);
	for (int i = 0; i < 3; i++) {
		script_count(&script, -1);
		script_fail(&script, SCRIPT_ACCEPT, 1, 1, errors[i]);
		gate_knock(&g);
		/* Without a pause. */
		harness_spin(reactor, 3);
		assert_int_equal(g.accepted, i + 1);
	}
	gate_end(&g);
	reactor_free(reactor);
}

/* --- Freed inside -------------------------------------------------------- */

static void test_free_in_the_callback(void **state)
{
	struct fixture *f = *state;
	struct gate g;

	harness_quote("The listener may be freed inside its callback.");
	gate_open(&g, f->reactor);
	g.free_it = true;
	for (int i = 0; i < 5; i++)
		gate_knock(&g);
	harness_spin(f->reactor, 5);
	assert_int_equal(g.accepted, 1);
	assert_null(g.listener);
	assert_int_equal(reactor_run(f->reactor), 0);
	gate_end(&g);
}

/* --- Flags and options --------------------------------------------------- */

static const char flags[] =
	"Flags `BUFEV_LISTEN_REUSEPORT`, `BUFEV_LISTEN_V6ONLY`; backlog "
	"SOMAXCONN; SO_REUSEADDR on.";

static void test_reuseport(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in any = loopback();
	struct gate g, second;

	harness_quote(flags);
	gate_open_on(&g, f->reactor, &any, sizeof(any), BUFEV_LISTEN_REUSEPORT);
	gate_open_on(&second, f->reactor, &g.address, g.length,
		     BUFEV_LISTEN_REUSEPORT);
	errno = 0;
	assert_null(bufferevent_listen(f->reactor,
				       (struct sockaddr *)&g.address, g.length,
				       0, on_accept, &g));
	assert_int_equal(errno, EADDRINUSE);
	for (int i = 0; i < 16; i++)
		gate_knock(&g);
	harness_spin(f->reactor, 3);
	assert_int_equal(g.accepted + second.accepted, 16);
	gate_end(&second);
	gate_end(&g);
}

static void expect_v6only(struct reactor *reactor, unsigned flag)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in four = loopback();
	struct gate g;
	int fd, result;

	gate_open_on(&g, reactor, &any, sizeof(any), flag);
	four.sin_port = ((struct sockaddr_in6 *)&g.address)->sin6_port;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	result = connect(fd, (struct sockaddr *)&four, sizeof(four));
	assert_int_equal(result, flag ? -1 : 0);
	harness_spin(reactor, 2);
	assert_int_equal(g.accepted, flag ? 0 : 1);
	harness_close(fd);
	gate_end(&g);
}

static void test_v6only(void **state)
{
	struct fixture *f = *state;
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	harness_quote(flags);
	if (fd < 0)
		skip();
	harness_close(fd);
	expect_v6only(f->reactor, BUFEV_LISTEN_V6ONLY);
	expect_v6only(f->reactor, 0);
}

static void test_backlog(void **state)
{
	struct fixture *f = *state;
	struct gate g;

	harness_quote(flags);
	gate_open(&g, f->reactor);
	/* Nobody accepts, and yet none of them waits. */
	for (int i = 0; i < (SOMAXCONN < MANY ? SOMAXCONN : MANY); i++)
		gate_knock(&g);
	while (!all_are_in(&g)) {
		g.batch = 0;
		assert_true(harness_spin(f->reactor, 1) > 0);
		assert_in_range(g.batch, 1, 64);
	}
	gate_end(&g);
}

static void test_reuseaddr(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_storage address;
	socklen_t length;
	struct gate g;

	harness_quote(flags);
	gate_open(&g, f->reactor);
	assert_int_equal(option(bufferevent_listener_get_fd(g.listener),
				SOL_SOCKET, SO_REUSEADDR),
			 1);
	/* A connection that we ended first lingers at this port. */
	gate_knock(&g);
	harness_turns(f->reactor, all_are_in, &g, 10);
	address = g.address;
	length = g.length;
	gate_end(&g);
	gate_open_on(&g, f->reactor, &address, length, 0);
	gate_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_flags_of_an_accepted_fd),
		harness_test(test_address_of_the_peer),
		harness_test(test_pause_at_the_limit),
		harness_test(test_pause_for_each_errno),
		harness_test(test_pause_for_good),
		harness_test(test_free_in_the_pause),
		harness_test(test_aborted_is_passed_over),
		harness_test(test_free_in_the_callback),
		harness_test(test_reuseport),
		harness_test(test_v6only),
		harness_test(test_backlog),
		harness_test(test_reuseaddr),
	};

	return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
