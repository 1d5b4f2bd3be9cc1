/* SPDX-License-Identifier: MIT */

/*
 * Connect: one outcome, in its turn, and never from inside the call.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "party.h"

/* A plain listening socket of the test, on a port of the system's choice. */
static int open_listener(struct sockaddr_in *address, int backlog)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length),
			 0);
	return fd;
}

static void party_connect(struct party *p, struct reactor *reactor,
			  const void *address, size_t length)
{
	memset(p, 0, sizeof(*p));
	p->fd = p->peer = -1; /* the bufferevent owns its own */
	p->bufferevent =
		bufferevent_connect(reactor, address, (socklen_t)length,
				    party_called, party_called, party_called);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
	party_expect(p, "");
}

static void expect_no_callback(struct reactor *reactor,
			       const struct sockaddr *address, socklen_t length,
			       int error)
{
	errno = 0;
	assert_null(bufferevent_connect(reactor, address, length, party_called,
					party_called, party_called));
	assert_int_equal(errno, error);
	assert_int_equal(harness_spin(reactor, 3), 0);
	assert_int_equal(reactor_run(reactor), 0);
}

/* --- The first write callback -------------------------------------------- */

static const char first_write[] =
	"The first write callback says \"connected\", and precedes any read "
	"callback; disabling EV_WRITE holds it back.";

static void test_connected_comes_first(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(first_write);
	party_connect(&p, f->reactor, &address, sizeof(address));
	party_enable(&p, EV_READ);
	p.peer = accept(listener, NULL, NULL);
	assert_true(p.peer >= 0);
	harness_send(p.peer, "hello");
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 3);
	party_expect(&p, "write read");
	harness_close(listener);
	party_end(&p);
}

static void test_connected_is_held_back(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(first_write);
	party_connect(&p, f->reactor, &address, sizeof(address));
	party_enable(&p, EV_READ);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	p.peer = accept(listener, NULL, NULL);
	assert_true(p.peer >= 0);
	harness_send(p.peer, "hello");
	harness_spin(f->reactor, 10);
	party_expect(&p, "");
	party_enable(&p, EV_WRITE);
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 3);
	party_expect(&p, "write read");
	harness_close(listener);
	party_end(&p);
}

/* Bytes of the application's own are no reason to call before that. */
static void test_connected_before_own_bytes(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(first_write);
	party_connect(&p, f->reactor, &address, sizeof(address));
	assert_int_equal(
		evbuffer_add(bufferevent_get_read(p.bufferevent), "own", 3), 0);
	party_enable(&p, EV_READ);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	assert_int_equal(harness_spin(f->reactor, 5), 0);
	/* It does not spin for a callback that has to wait. */
	assert_int_equal(reactor_prepare(f->reactor), -1);
	party_enable(&p, EV_WRITE);
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 3);
	party_expect(&p, "write read");
	harness_close(listener);
	party_end(&p);
}

/* Each write callback queues more, and the first of a turn sends it, too. */
static void send_at_once(struct party *p, unsigned what)
{
	(void)what;
	assert_int_equal(bufferevent_write(p->bufferevent, "x", 1), 0);
	if (p->writes == 1)
		bufferevent_flush(p->bufferevent);
}

static void test_connected_and_flushed(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote("write: at most twice a turn");
	party_connect(&p, f->reactor, &address, sizeof(address));
	p.act = send_at_once;
	for (int turn = 0; turn < 5; turn++) {
		int before = p.writes;

		assert_true(reactor_turn(f->reactor, 1000) >= 0);
		assert_in_range(p.writes - before, 0, 2);
	}
	assert_true(p.writes >= 2);
	p.act = NULL;
	p.peer = accept(listener, NULL, NULL);
	assert_true(p.peer >= 0);
	harness_close(listener);
	party_end(&p);
}

static void test_queued_before_connected(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(first_write);
	party_connect(&p, f->reactor, &address, sizeof(address));
	party_write(&p, "first");
	harness_turns(f->reactor, party_has_written, &p, 10);
	harness_spin(f->reactor, 3);
	p.peer = accept(listener, NULL, NULL);
	assert_true(p.peer >= 0);
	party_peer_gets(&p, "first");
	assert_int_equal(p.errors, 0);
	harness_close(listener);
	party_end(&p);
}

/* --- NULL ---------------------------------------------------------------- */

static const char null_means[] = "NULL means no callback will come";

static void test_null_for_a_wrong_length(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address = { .sin_family = AF_INET };

	harness_quote(null_means);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	expect_no_callback(f->reactor, (struct sockaddr *)&address,
			   sizeof(address) - 1, EINVAL);
	expect_no_callback(f->reactor, (struct sockaddr *)&address, 0, EINVAL);
	address.sin_family = AF_INET6;
	expect_no_callback(f->reactor, (struct sockaddr *)&address,
			   sizeof(address), EINVAL);
}

static void test_null_for_an_unknown_family(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address = { .sin_family = 253 };

	harness_quote(null_means);
	expect_no_callback(f->reactor, (struct sockaddr *)&address,
			   sizeof(address), EAFNOSUPPORT);
}

static void test_null_without_descriptors(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct rlimit limit, low;
	int listener = open_listener(&address, 5), fd = dup(listener);

	harness_quote(null_means);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)fd;
	harness_close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	expect_no_callback(f->reactor, (struct sockaddr *)&address,
			   sizeof(address), EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	harness_close(listener);
}

/* --- Anything else ------------------------------------------------------- */

static const char one_outcome[] =
	"anything else means exactly one later outcome, with its errno, as "
	"`WRITE|ERROR`, never from inside the call.";

static void expect_failure(struct party *p, struct reactor *reactor, int error)
{
	party_expect(p, "");
	party_enable(p, EV_READ);
	harness_turns(reactor, party_has_failed, p, 10);
	harness_spin(reactor, 5);
	party_expect(p, "write|error");
	assert_int_equal(p->seen, error);
	assert_int_equal(bufferevent_error(p->bufferevent), error);
	assert_int_equal(bufferevent_get_enabled(p->bufferevent) & EV_WRITE, 0);
	party_end(p);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;

	harness_quote(one_outcome);
	harness_close(open_listener(&address, 1));
	party_connect(&p, f->reactor, &address, sizeof(address));
	expect_failure(&p, f->reactor, ECONNREFUSED);
}

static struct sockaddr_un local_address(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path),
		 "/tmp/bufev-%s-%ld", name, (long)getpid());
	return address;
}

static void test_no_such_path(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = local_address("none");
	struct party p;

	harness_quote(one_outcome);
	party_connect(&p, f->reactor, &address, sizeof(address));
	expect_failure(&p, f->reactor, ENOENT);
}

static void test_local_refused(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = local_address("refused");
	struct party p;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	harness_quote(one_outcome);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	party_connect(&p, f->reactor, &address, sizeof(address));
	expect_failure(&p, f->reactor, ECONNREFUSED);
	unlink(address.sun_path);
	harness_close(fd);
}

static void test_connected_once(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(one_outcome);
	party_connect(&p, f->reactor, &address, sizeof(address));
	harness_turns(f->reactor, party_has_written, &p, 10);
	harness_spin(f->reactor, 5);
	party_expect(&p, "write");
	assert_int_equal(bufferevent_error(p.bufferevent), 0);
	harness_close(listener);
	party_end(&p);
}

static void test_local_connected_once(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = local_address("once");
	struct party p;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	harness_quote(one_outcome);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 5), 0);
	party_connect(&p, f->reactor, &address, sizeof(address));
	harness_turns(f->reactor, party_has_written, &p, 10);
	harness_spin(f->reactor, 5);
	party_expect(&p, "write");
	unlink(address.sun_path);
	harness_close(fd);
	party_end(&p);
}

/* The connect has ended, but was not reported when the connection did. */
static void test_one_outcome_where_the_peer_hangs_up(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int listener = open_listener(&address, 5);

	harness_quote(one_outcome);
	party_connect(&p, f->reactor, &address, sizeof(address));
	party_enable(&p, EV_READ);
	harness_close(accept(listener, NULL, NULL));
	harness_turns(f->reactor, party_has_failed, &p, 10);
	party_expect(&p, "write read|eof");
	harness_close(listener);
	party_end(&p);
}

/* --- The write timeout --------------------------------------------------- */

enum { FILLERS = 16 };

/*
 * Fills the queue of a listener that nobody accepts from, so that the next
 * handshake does not end.  How many connections that took.
 */
static int fill_queue(const struct sockaddr_in *address, int fd[FILLERS])
{
	struct pollfd done = { .events = POLLOUT };

	for (int i = 0; i < FILLERS; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(fd[i] >= 0);
		if (connect(fd[i], (const struct sockaddr *)address,
			    sizeof(*address)) == 0)
			continue;
		assert_int_equal(errno, EINPROGRESS);
		done.fd = fd[i];
		if (poll(&done, 1, 100) == 0)
			return i + 1;
	}
	fail_msg("the queue takes more than %d", FILLERS);
	return FILLERS;
}

static void test_write_timeout_covers_the_handshake(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int fd[FILLERS], listener = open_listener(&address, 0), fillers;
	uint64_t begin;

	harness_quote("The write timeout covers the handshake.");
	fillers = fill_queue(&address, fd);
	begin = harness_now_ms();
	party_connect(&p, f->reactor, &address, sizeof(address));
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	harness_turns(f->reactor, party_is_told, &p, 100);
	assert_true(harness_now_ms() - begin >= 50);
	harness_spin(f->reactor, 3);
	party_expect(&p, "write|timeout");
	/* One outcome it was, so there is none left to wait for. */
	assert_int_equal(reactor_run(f->reactor), 0);
	party_end(&p);
	for (int i = 0; i < fillers; i++)
		harness_close(fd[i]);
	harness_close(listener);
}

static void test_fd_is_owned(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address;
	struct party p;
	int fd, listener = open_listener(&address, 5);

	harness_quote("The fd of `bufferevent_connect` is owned.");
	party_connect(&p, f->reactor, &address, sizeof(address));
	fd = bufferevent_get_fd(p.bufferevent);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	harness_turns(f->reactor, party_has_written, &p, 10);
	party_end(&p);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	/* Also where the connect has not ended. */
	party_connect(&p, f->reactor, &address, sizeof(address));
	fd = bufferevent_get_fd(p.bufferevent);
	party_end(&p);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	harness_close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_connected_comes_first),
		harness_test(test_connected_is_held_back),
		harness_test(test_connected_before_own_bytes),
		harness_test(test_connected_and_flushed),
		harness_test(test_queued_before_connected),
		harness_test(test_null_for_a_wrong_length),
		harness_test(test_null_for_an_unknown_family),
		harness_test(test_null_without_descriptors),
		harness_test(test_refused),
		harness_test(test_no_such_path),
		harness_test(test_local_refused),
		harness_test(test_connected_once),
		harness_test(test_local_connected_once),
		harness_test(test_one_outcome_where_the_peer_hangs_up),
		harness_test(test_write_timeout_covers_the_handshake),
		harness_test(test_fd_is_owned),
	};

	return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
