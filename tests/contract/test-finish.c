/* SPDX-License-Identifier: MIT */

/*
 * Finish: all is sent, and an owned connection ends without losing any of it.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel-posix.h"
#include "party.h"

enum { MUCH = 1024 * 1024 };

/* After it the party is what the peer sees. */
static void finish(struct party *p)
{
	bufferevent_finish(p->bufferevent);
	p->bufferevent = NULL;
}

static void own(struct party *p)
{
	bufferevent_own_fd(p->bufferevent, true);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static bool is_closed(void *party)
{
	return !is_open(((struct party *)party)->fd);
}

/* Was it the bufferevent's to close, and has it done so? */
static void expect_closed(struct party *p)
{
	assert_false(is_open(p->fd));
	p->fd = -1;
}

struct receipt {
	struct party *party;
	size_t bytes;
	bool ended; /* by FIN */
};

/* The peer reads what there is. */
static bool receive(void *arg)
{
	static char block[64 * 1024];
	struct receipt *r = arg;
	ssize_t n;

	do {
		n = recv(r->party->peer, block, sizeof(block), MSG_DONTWAIT);
		r->bytes += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	r->ended = n == 0;
	return r->ended;
}

static bool receive_much(void *arg)
{
	struct receipt *r = arg;

	receive(r);
	return r->bytes == MUCH;
}

/* --- Sends all ----------------------------------------------------------- */

static const char sends_all[] =
	"`bufferevent_finish` enables writing and sends all";

static void test_sends_all(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote(sends_all);
	party_open(&p, f->reactor);
	r.party = &p;
	party_write_zeros(&p, MUCH);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	harness_spin(f->reactor, 2);
	assert_int_equal(harness_drain(p.peer), 0);
	finish(&p);
	harness_turns(f->reactor, receive_much, &r, 1000);
	/* It was borrowed: it is handed back, and not ended. */
	harness_spin(f->reactor, 2);
	assert_false(r.ended);
	assert_true(is_open(p.fd));
	assert_int_equal(fcntl(p.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(reactor_run(f->reactor), 0);
	party_expect(&p, "");
	party_end(&p);
}

static void finish_itself(struct party *p, unsigned what)
{
	(void)what;
	party_write(p, "bye");
	finish(p);
}

static void test_in_a_callback(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote(sends_all);
	party_open(&p, f->reactor);
	r.party = &p;
	own(&p);
	p.act = finish_itself;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "quit");
	harness_turns(f->reactor, receive, &r, 10);
	assert_int_equal(r.bytes, 3);
	party_expect(&p, "read");
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	party_expect(&p, "read");
	party_end(&p);
}

static void test_no_callbacks_after(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(sends_all);
	party_open(&p, f->reactor);
	own(&p);
	party_enable(&p, EV_READ | EV_WRITE);
	party_write(&p, "abc");
	harness_send(p.peer, "abc");
	finish(&p);
	harness_spin(f->reactor, 3);
	harness_send(p.peer, "more");
	harness_spin(f->reactor, 3);
	harness_drain(p.peer);
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	party_expect(&p, "");
	party_end(&p);
}

/* --- Then FIN, and until EOF --------------------------------------------- */

static const char then_fin[] =
	"on an owned fd it then sends FIN and reads and discards until EOF, at "
	"most 2 s or the write timeout, and only then closes";

static void test_fin_then_discards(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	r.party = &p;
	own(&p);
	party_write(&p, "abc");
	finish(&p);
	harness_turns(f->reactor, receive, &r, 10);
	assert_int_equal(r.bytes, 3);
	/* What the peer still says is taken, and no reset answers it. */
	for (int i = 0; i < 5; i++) {
		assert_true(is_open(p.fd));
		harness_send(p.peer, "still talking");
		harness_spin(f->reactor, 2);
	}
	assert_true(receive(&r));
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	assert_int_equal(reactor_run(f->reactor), 0);
	party_end(&p);
}

static void test_write_timeout_bounds_the_wait(void **state)
{
	struct fixture *f = *state;
	struct party p;
	uint64_t begin, took;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	own(&p);
	bufferevent_set_timeouts(p.bufferevent, 0, 100);
	party_write(&p, "abc");
	begin = harness_now_ms();
	finish(&p);
	harness_turns(f->reactor, is_closed, &p, 100);
	took = harness_now_ms() - begin;
	assert_in_range(took, 100, 1500);
	expect_closed(&p);
	party_expect(&p, "");
	party_end(&p);
}

static void test_two_seconds_bound_the_wait(void **state)
{
	struct fixture *f = *state;
	struct party p;
	uint64_t begin, took;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	own(&p);
	bufferevent_set_timeouts(p.bufferevent, 0, 60000);
	party_write(&p, "abc");
	begin = harness_now_ms();
	finish(&p);
	harness_turns(f->reactor, is_closed, &p, 100);
	took = harness_now_ms() - begin;
	assert_in_range(took, 2000, 10000);
	expect_closed(&p);
	party_end(&p);
}

/* A peer that goes on talking does not extend it. */
static void test_talking_does_not_extend_the_wait(void **state)
{
	struct fixture *f = *state;
	struct party p;
	uint64_t begin;
	int turns = 0;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	own(&p);
	bufferevent_set_timeouts(p.bufferevent, 0, 100);
	party_write(&p, "abc");
	begin = harness_now_ms();
	finish(&p);
	while (is_open(p.fd) && harness_now_ms() - begin < 5000) {
		send(p.peer, "x", 1, MSG_NOSIGNAL);
		assert_true(reactor_turn(f->reactor, 10) >= 0);
		turns++;
	}
	assert_in_range(harness_now_ms() - begin, 100, 2000);
	assert_true(turns > 1);
	expect_closed(&p);
	party_end(&p);
}

static void test_write_timeout_bounds_the_sending(void **state)
{
	struct fixture *f = *state;
	struct party p;
	uint64_t begin;

	harness_quote(then_fin);
	party_open(&p, f->reactor);
	own(&p);
	harness_fill(p.fd);
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	party_write(&p, "never read");
	begin = harness_now_ms();
	finish(&p);
	harness_turns(f->reactor, is_closed, &p, 100);
	assert_in_range(harness_now_ms() - begin, 50, 1500);
	expect_closed(&p);
	party_expect(&p, "");
	party_end(&p);
}

/* --- Nothing is lost ----------------------------------------------------- */

static void test_unread_input_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote("(a close with unread input resets, and the peer loses "
		      "what was sent: seen here, 113,152 of 1,048,576 bytes "
		      "arrived)");
	party_open_tcp(&p, f->reactor);
	r.party = &p;
	own(&p);
	harness_flood(p.peer);
	party_write_zeros(&p, MUCH);
	finish(&p);
	harness_turns(f->reactor, receive, &r, 1000);
	assert_int_equal(r.bytes, MUCH);
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 100);
	expect_closed(&p);
	party_end(&p);
}

/* --- At once ------------------------------------------------------------- */

static const char at_once[] =
	"with neither output nor unread input, or on a failed side, it closes "
	"at once.";

/* Who cannot tell what the kernel has not delivered waits for the peer. */
static void skip_where_nobody_can_tell(void)
{
	int fd[2];
	bool yes;

	harness_pair(fd);
	yes = bufev_posix_undelivered(NULL, fd[0]);
	harness_close(fd[0]);
	harness_close(fd[1]);
	if (!yes)
		return;
	puts("# this system does not tell what it has not delivered");
	skip();
}

static void test_idle_closes_at_once(void **state)
{
	struct fixture *f = *state;
	struct party p;

	skip_where_nobody_can_tell();
	harness_quote(at_once);
	party_open_tcp(&p, f->reactor);
	own(&p);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 2);
	finish(&p);
	harness_spin(f->reactor, 1);
	expect_closed(&p);
	assert_int_equal(reactor_run(f->reactor), 0);
	party_end(&p);
}

static void test_sent_before_closes_at_once(void **state)
{
	struct fixture *f = *state;
	struct party p;

	skip_where_nobody_can_tell();
	harness_quote(at_once);
	party_open(&p, f->reactor);
	own(&p);
	party_write(&p, "abc");
	harness_turns(f->reactor, party_has_written, &p, 10);
	party_peer_gets(&p, "abc");
	finish(&p);
	harness_spin(f->reactor, 1);
	expect_closed(&p);
	party_end(&p);
}

/*
 * All was sent, but the kernel still holds most of it when more input comes:
 * that must not reset the connection.
 */
static void test_sent_before_arrives(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	int room = 100000;
	struct party p;

	harness_quote(then_fin);
	party_open_tcp(&p, f->reactor);
	r.party = &p;
	own(&p);
	assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &room,
				    sizeof(room)),
			 0);
	party_write_zeros(&p, 150000);
	harness_turns(f->reactor, party_has_written, &p, 10);
	assert_int_equal(party_unsent(&p), 0);
	finish(&p);
	harness_spin(f->reactor, 1);
	harness_send(p.peer, "one more question");
	harness_turns(f->reactor, receive, &r, 1000);
	assert_int_equal(r.bytes, 150000);
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 100);
	expect_closed(&p);
	party_end(&p);
}

static void test_unread_input_is_waited_out(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote(at_once);
	party_open_tcp(&p, f->reactor);
	r.party = &p;
	own(&p);
	harness_send(p.peer, "unread");
	finish(&p);
	harness_spin(f->reactor, 3);
	/* The end comes as an end, not as a reset, whatever else is said. */
	assert_true(receive(&r));
	harness_send(p.peer, "more");
	harness_spin(f->reactor, 3);
	assert_true(is_open(p.fd));
	assert_true(receive(&r));
	party_hang_up(&p);
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	party_end(&p);
}

static void test_failed_side_closes_at_once(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_once);
	party_open(&p, f->reactor);
	own(&p);
	party_write(&p, "lost");
	party_hang_up(&p);
	harness_turns(f->reactor, party_has_failed, &p, 10);
	assert_int_equal(p.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
	assert_int_equal(party_unsent(&p), 4);
	finish(&p);
	harness_spin(f->reactor, 1);
	expect_closed(&p);
	assert_int_equal(p.errors, 1);
	party_end(&p);
}

/* Here it would have to wait for the peer, if it tried again. */
static void test_timed_out_side_closes_at_once(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_once);
	party_open(&p, f->reactor);
	own(&p);
	harness_fill(p.fd);
	bufferevent_set_timeouts(p.bufferevent, 0, 10);
	party_write(&p, "stuck");
	harness_turns(f->reactor, party_has_failed, &p, 20);
	party_expect(&p, "write|timeout");
	bufferevent_set_timeouts(p.bufferevent, 0, 0);
	finish(&p);
	harness_spin(f->reactor, 1);
	expect_closed(&p);
	party_end(&p);
}

static void test_end_of_input_closes_when_sent(void **state)
{
	struct fixture *f = *state;
	struct receipt r = { 0 };
	struct party p;

	harness_quote(at_once);
	party_open_tcp(&p, f->reactor);
	r.party = &p;
	own(&p);
	party_enable(&p, EV_READ);
	shutdown(p.peer, SHUT_WR);
	harness_turns(f->reactor, party_has_failed, &p, 10);
	party_expect(&p, "read|eof");
	party_write(&p, "abc");
	finish(&p);
	/* The end of input has been seen: there is nothing to wait for. */
	harness_spin(f->reactor, 3);
	expect_closed(&p);
	assert_true(receive(&r));
	assert_int_equal(r.bytes, 3);
	party_end(&p);
}

static void test_peer_that_is_gone(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_once);
	party_open_tcp(&p, f->reactor);
	own(&p);
	party_write_zeros(&p, MUCH);
	harness_spin(f->reactor, 2);
	finish(&p);
	harness_reset(p.peer);
	p.peer = -1;
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	party_expect(&p, "");
	party_end(&p);
}

static void test_pipe(void **state)
{
	struct fixture *f = *state;
	struct party p;
	char got[4] = "";
	int fd[2];

	harness_quote(then_fin);
	assert_int_equal(pipe(fd), 0);
	party_adopt(&p, f->reactor, fd[1], fd[0]);
	own(&p);
	party_write(&p, "abc");
	finish(&p);
	/* There is no FIN but the close. */
	harness_turns(f->reactor, is_closed, &p, 10);
	expect_closed(&p);
	assert_int_equal(read(p.peer, got, 3), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(read(p.peer, got, 3), 0);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_sends_all),
		harness_test(test_in_a_callback),
		harness_test(test_no_callbacks_after),
		harness_test(test_fin_then_discards),
		harness_test(test_write_timeout_bounds_the_wait),
		harness_test(test_two_seconds_bound_the_wait),
		harness_test(test_talking_does_not_extend_the_wait),
		harness_test(test_write_timeout_bounds_the_sending),
		harness_test(test_unread_input_loses_nothing),
		harness_test(test_idle_closes_at_once),
		harness_test(test_sent_before_closes_at_once),
		harness_test(test_sent_before_arrives),
		harness_test(test_unread_input_is_waited_out),
		harness_test(test_failed_side_closes_at_once),
		harness_test(test_timed_out_side_closes_at_once),
		harness_test(test_end_of_input_closes_when_sent),
		harness_test(test_peer_that_is_gone),
		harness_test(test_pipe),
	};

	return cmocka_run_group_tests_name("finish", tests, NULL, NULL);
}
