/* SPDX-License-Identifier: MIT */

/*
 * Finish, second part: what was going on when it was called.  A connect that
 * has not ended, a shutdown that was asked for, and a kernel that will not
 * watch the descriptor any longer; and who finishes what only was borrowed.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>

#include "../support/script-kernel.h"
#include "party.h"

static struct script script;

static struct reactor *begin(void)
{
	struct reactor *r = script_reactor(&script);

	assert_non_null(r);
	script_freeze(&script);
	return r;
}

static void finish(struct party *p)
{
	bufferevent_finish(p->bufferevent);
	p->bufferevent = NULL;
}

static bool is_closed(void *party)
{
	return fcntl(((struct party *)party)->fd, F_GETFD) < 0;
}

static void expect_closed(struct party *p)
{
	assert_true(is_closed(p));
	p->fd = -1;
}

/* The peer has got so much, and the end behind it. */
static void expect_the_end(const struct party *p, const char *text)
{
	char byte;

	party_peer_gets(p, text);
	harness_await(p->peer, POLLIN);
	assert_int_equal(recv(p->peer, &byte, 1, MSG_DONTWAIT), 0);
}

/* --- Connecting ---------------------------------------------------------- */

static const char two_seconds[] =
	"on an owned fd it then sends FIN and reads and discards until EOF, at "
	"most 2 s or the write timeout, and only then closes";

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

/* Bound and listening; the length of the address. */
static socklen_t listen_on(int fd, union address *address)
{
	/* The system chooses the port, or the abstract name. */
	socklen_t length = address->any.sa_family == AF_UNIX ?
				   sizeof(sa_family_t) :
				   sizeof(address->in);

	assert_int_equal(bind(fd, &address->any, length), 0);
	assert_int_equal(listen(fd, 5), 0);
	length = sizeof(*address);
	assert_int_equal(getsockname(fd, &address->any, &length), 0);
	return length;
}

/* Connects, writes and finishes before any turn; then the peer is there. */
static void finish_early(struct party *p, struct reactor *r,
			 union address *address, uint64_t write_ms)
{
	int listener = socket(address->any.sa_family, SOCK_STREAM, 0);
	socklen_t length = listen_on(listener, address);

	memset(p, 0, sizeof(*p));
	p->bufferevent =
		bufferevent_connect(r, &address->any, length, party_called,
				    party_called, party_called);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
	bufferevent_set_timeouts(p->bufferevent, 0, write_ms);
	p->fd = bufferevent_get_fd(p->bufferevent);
	party_write(p, "hello");
	finish(p);
	harness_await(p->fd, POLLOUT);
	harness_spin(r, 5);
	p->peer = accept(listener, NULL, NULL);
	assert_true(p->peer >= 0);
	expect_the_end(p, "hello");
	harness_close(listener);
}

/* The peer stays: it closes after just so many milliseconds. */
static void expect_end_after(union address address, uint64_t write_ms,
			     uint64_t ms)
{
	struct reactor *r = begin();
	struct party p;
	uint64_t start = script.clock;

	finish_early(&p, r, &address, write_ms);
	assert_false(is_closed(&p));
	script_pass(&script, ms - 1);
	harness_spin(r, 3);
	assert_false(is_closed(&p));
	script_pass(&script, 1);
	harness_spin(r, 3);
	expect_closed(&p);
	assert_int_equal(script.clock - start, ms * 1000000);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

static union address loopback(void)
{
	union address address = { .in = { .sin_family = AF_INET } };

	address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static union address local(void)
{
	union address address = { .un = { .sun_family = AF_UNIX } };

	return address;
}

static void test_connecting(void **state)
{
	(void)state;
	harness_quote(two_seconds);
	expect_end_after(loopback(), 0, 2000);
	expect_end_after(loopback(), 300, 300);
}

/* Connected when it was called, but nobody was told. */
static void test_connected_untold(void **state)
{
	(void)state;
	harness_quote(two_seconds);
	expect_end_after(local(), 0, 2000);
	expect_end_after(local(), 300, 300);
}

static void test_connecting_until_the_peer_ends(void **state)
{
	struct reactor *r = begin();
	union address address = loopback();
	struct party p;

	(void)state;
	harness_quote(two_seconds);
	finish_early(&p, r, &address, 0);
	party_hang_up(&p);
	harness_await(p.fd, POLLIN);
	harness_spin(r, 3);
	expect_closed(&p);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

static void test_connect_that_is_refused(void **state)
{
	struct reactor *r = begin();
	union address address = loopback();
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = listen_on(listener, &address);
	struct party p = { .peer = -1 };

	(void)state;
	harness_quote("on a failed side, it closes at once.");
	harness_close(listener);
	p.bufferevent =
		bufferevent_connect(r, &address.any, length, party_called,
				    party_called, party_called);
	assert_non_null(p.bufferevent);
	bufferevent_set_data(p.bufferevent, &p);
	p.fd = bufferevent_get_fd(p.bufferevent);
	party_write(&p, "hello");
	finish(&p);
	harness_await(p.fd, POLLOUT);
	harness_turns(r, is_closed, &p, 5);
	expect_closed(&p);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

/* --- Late ---------------------------------------------------------------- */

/*
 * A callback that took long: the deadline has passed, and so has the peer's
 * answer come, before anybody could look.
 */
static void test_input_at_the_deadline(void **state)
{
	struct reactor *r = begin();
	struct party p;

	(void)state;
	harness_quote("(a close with unread input resets, and the peer loses "
		      "what was sent)");
	party_open(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	party_write(&p, "hello");
	finish(&p);
	harness_spin(r, 3);
	assert_false(is_closed(&p));
	harness_send(p.peer, "unread");
	script_pass(&script, 2000);
	harness_spin(r, 1);
	expect_closed(&p);
	expect_the_end(&p, "hello");
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

/* --- Where the kernel will not watch ------------------------------------- */

static const char refused[] =
	"If the kernel refuses our interest (`ENOMEM`, `ENOSPC`), that side "
	"gets `ERROR`; finish: on a failed side, it closes at once.";

static void refuse(unsigned interest)
{
	script.refuse = interest;
	script.refuse_error = ENOMEM;
}

static void test_refused_while_sending(void **state)
{
	struct reactor *r = begin();
	struct party p;

	(void)state;
	harness_quote(refused);
	party_open(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	harness_fill(p.fd);
	party_write(&p, "stuck");
	refuse(KERNEL_WRITE);
	finish(&p);
	harness_spin(r, 3);
	expect_closed(&p);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

/* There is input, which would have to be waited out. */
static void test_refused_before_discarding(void **state)
{
	struct reactor *r = begin();
	struct party p;

	(void)state;
	harness_quote(refused);
	party_open_tcp(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	harness_spin(r, 2);
	harness_send(p.peer, "unread");
	refuse(KERNEL_READ);
	finish(&p);
	harness_spin(r, 3);
	expect_closed(&p);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

/* That nothing can be read is no reason not to send. */
static void test_reading_refused_and_output_queued(void **state)
{
	struct reactor *r = begin();
	struct party p;

	(void)state;
	harness_quote("`bufferevent_finish` enables writing and sends all");
	party_open(&p, r);
	bufferevent_own_fd(p.bufferevent, true);
	harness_spin(r, 2);
	refuse(KERNEL_READ);
	party_write(&p, "sent");
	finish(&p);
	harness_spin(r, 3);
	party_peer_gets(&p, "sent");
	expect_closed(&p);
	assert_int_equal(reactor_run(r), 0);
	party_end(&p);
	reactor_free(r);
}

static void test_refused_and_borrowed(void **state)
{
	struct reactor *r = begin();
	struct party p;

	(void)state;
	harness_quote(refused);
	party_open(&p, r);
	harness_fill(p.fd);
	party_write(&p, "stuck");
	refuse(KERNEL_WRITE);
	finish(&p);
	harness_spin(r, 3);
	/* Handed back, as it was. */
	assert_int_equal(fcntl(p.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(reactor_run(r), 0);
	party_expect(&p, "");
	party_end(&p);
	reactor_free(r);
}

/* --- After a shutdown ---------------------------------------------------- */

/* bufferevent_shutdown(), in bufev/bufferevent.h. */
static const char then_fin[] = "Sends what is queued, then FIN";

static void shut_down(struct party *p)
{
	assert_int_equal(bufferevent_shutdown(p->bufferevent), 0);
}

/* It stays open, as it is not ours: so the end is not that of a close. */
static void expect_end_and_open(struct party *p, struct reactor *r,
				const char *text)
{
	harness_spin(r, 3);
	expect_the_end(p, text);
	assert_false(is_closed(p));
	assert_int_equal(fcntl(p->fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(reactor_run(r), 0);
	party_expect(p, "");
	party_end(p);
}

static void test_shutdown_of_a_borrowed_socket(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(then_fin);
	party_open(&p, f->reactor);
	party_write(&p, "x");
	shut_down(&p);
	finish(&p);
	expect_end_and_open(&p, f->reactor, "x");
}

static void test_shutdown_with_nothing_queued(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	shut_down(&p);
	finish(&p);
	expect_end_and_open(&p, f->reactor, "");
}

static void test_shutdown_with_output_that_waits(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(then_fin);
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "last");
	shut_down(&p);
	finish(&p);
	harness_spin(f->reactor, 3);
	assert_true(harness_drain(p.peer) > 0);
	expect_end_and_open(&p, f->reactor, "last");
}

/* --- A borrowed descriptor ----------------------------------------------- */

/* Its number may be another file's before the next turn. */
static void test_nothing_queued_and_borrowed(void **state)
{
	struct fixture *f = *state;
	struct bufferevent *other;
	struct party p;
	int pair[2];

	harness_quote("with neither output nor unread input, or on a failed "
		      "side, it closes at once.");
	party_open(&p, f->reactor);
	harness_spin(f->reactor, 2);
	finish(&p);
	assert_int_equal(fcntl(p.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(dup2(pair[0], p.fd), p.fd);
	other = bufferevent_new_on(f->reactor, p.fd, NULL, NULL, party_called);
	assert_non_null(other);
	harness_spin(f->reactor, 2);
	bufferevent_free(other);
	assert_true(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	harness_close(pair[0]);
	harness_close(pair[1]);
	party_expect(&p, "");
	party_end(&p);
}

static void finish_there(struct party *p, unsigned what)
{
	(void)what;
	finish(p);
	assert_int_equal(fcntl(p->fd, F_GETFL) & O_NONBLOCK, 0);
}

static void test_nothing_queued_in_a_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("bufferevent_finish: closes the descriptor if owned, "
		      "frees. No callback is made after this call");
	party_open(&p, f->reactor);
	p.act = finish_there;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_send(p.peer, "x");
	party_hang_up(&p);
	harness_spin(f->reactor, 3);
	assert_int_equal(p.reads, 1);
	assert_int_equal(p.errors, 0);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_connecting),
		harness_test(test_connected_untold),
		harness_test(test_connecting_until_the_peer_ends),
		harness_test(test_connect_that_is_refused),
		harness_test(test_input_at_the_deadline),
		harness_test(test_refused_while_sending),
		harness_test(test_refused_before_discarding),
		harness_test(test_reading_refused_and_output_queued),
		harness_test(test_refused_and_borrowed),
		harness_test(test_shutdown_of_a_borrowed_socket),
		harness_test(test_shutdown_with_nothing_queued),
		harness_test(test_shutdown_with_output_that_waits),
		harness_test(test_nothing_queued_and_borrowed),
		harness_test(test_nothing_queued_in_a_callback),
	};

	return cmocka_run_group_tests_name("finish-cases", tests, NULL, NULL);
}
