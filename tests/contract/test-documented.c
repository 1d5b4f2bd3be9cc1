/* SPDX-License-Identifier: MIT */

/*
 * The documented interface: a test for each row of its table, in its order,
 * and one for the constants.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"

/* --- The callback -------------------------------------------------------- */

static struct bufferevent *seen_by[8];
static unsigned seen[8];
static int count_seen;

static bufferevent_cb see;

static void see(struct bufferevent *b, unsigned what)
{
	if (count_seen < 8) {
		seen_by[count_seen] = b;
		seen[count_seen] = what;
	}
	count_seen++;
}

static void one_type_serves_all_three(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct bufferevent *b;
	int fd[2];

	harness_quote("callback `(bufferevent, what)`: one type for all three");
	harness_pair(fd);
	b = bufferevent_new_on(r, fd[0], see, see, see);
	assert_non_null(b);
	count_seen = 0;
	assert_int_equal(bufferevent_enable(b, EV_READ), 0);
	harness_send(fd[1], "x");
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_int_equal(bufferevent_write(b, "y", 1), 0);
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_int_equal(shutdown(fd[1], SHUT_WR), 0);
	assert_int_equal(reactor_turn(r, 1000), 1);

	assert_int_equal(count_seen, 3);
	assert_int_equal(seen[0], EVBUFFER_READ);
	assert_int_equal(seen[1], EVBUFFER_WRITE);
	assert_int_equal(seen[2], EVBUFFER_READ | EVBUFFER_EOF);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(seen_by[i], b);
	bufferevent_free(b);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void take_between_marks(struct probe *p, unsigned what)
{
	assert_int_equal(what, EVBUFFER_READ);
	assert_in_range(p->held, 4, 8);
	probe_take(p, p->held);
}

static void read_is_between_the_marks(void **state)
{
	struct probe p;

	harness_quote("what == EVBUFFER_READ: the read buffer holds at least "
		      "the low mark and no more than the high mark");
	probe_pair(&p, probe_reactor(state));
	p.on = take_between_marks;
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 4, 8),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(probe_feed(&p, 20), 20);
	probe_await(&p, "read read read", 8);
	assert_int_equal(p.taken, 20);
	probe_feed(&p, 3);
	assert_int_equal(harness_spin(p.reactor, 5), 0);
	probe_feed(&p, 1);
	probe_await(&p, "read read read read", 4);
	probe_end(&p);
}

static void write_is_at_or_below_low(struct probe *p, unsigned what)
{
	assert_int_equal(what, EVBUFFER_WRITE);
	assert_true(p->queued <= 100);
}

static void write_means_ready(void **state)
{
	struct probe p;

	harness_quote("what == EVBUFFER_WRITE: ready to be written to: the "
		      "write buffer is at or below its low mark");
	probe_pair(&p, probe_reactor(state));
	p.on = write_is_at_or_below_low;
	p.fold = true;
	assert_int_equal(
		bufferevent_set_write_watermarks(p.bufferevent, 100, 0), 0);
	probe_await(&p, "write", 2);
	probe_queue(&p, 1000000);
	for (int i = 0; probe_queued(&p) > 0; i++) {
		assert_true(i < 1000);
		assert_true(reactor_turn(p.reactor, 1000) >= 0);
		probe_collect(&p, NULL);
	}
	assert_true(p.writes >= 2);
	probe_end(&p);
}

static void the_rest_is_an_error_condition(void **state)
{
	struct probe p;

	harness_quote("other: an error condition: EVBUFFER_ERROR, "
		      "EVBUFFER_TIMEOUT or EVBUFFER_EOF, or-ed with "
		      "EVBUFFER_READ or EVBUFFER_WRITE for where it happened");
	probe_tcp(&p, probe_reactor(state));
	bufferevent_set_timeouts(p.bufferevent, 10, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read|timeout", 4);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_TIMEOUT);

	bufferevent_set_timeouts(p.bufferevent, 0, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	probe_await(&p, "read|timeout read|eof", 4);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);

	probe_reset(&p);
	assert_int_equal(bufferevent_write(p.bufferevent, "x", 1), 0);
	probe_await(&p, "read|timeout read|eof write|error", 4);
	assert_int_equal(p.what, EVBUFFER_WRITE | EVBUFFER_ERROR);
	probe_end(&p);
}

/* --- Life ---------------------------------------------------------------- */

static void only_the_error_callback_must_be(void **state)
{
	struct bufferevent *b;
	struct reactor *r = reactor_default();
	char byte;
	int fd[2];

	(void)state;
	harness_quote("bufferevent.new(fd, read, write, error): read and write "
		      "may be NULL, error may not (NULL + EINVAL)");
	assert_non_null(r);
	harness_pair(fd);
	errno = 0;
	assert_null(bufferevent_new(fd[0], see, see, NULL));
	assert_int_equal(errno, EINVAL);
	b = bufferevent_new(fd[0], NULL, NULL, see);
	assert_non_null(b);
	assert_ptr_equal(bufferevent_get_reactor(b), r);

	count_seen = 0;
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	harness_send(fd[1], "x");
	assert_int_equal(bufferevent_write(b, "y", 1), 0);
	assert_int_equal(harness_spin(r, 4), 0);
	assert_int_equal(bufferevent_read(b, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(recv(fd[1], &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(shutdown(fd[1], SHUT_WR), 0);
	assert_int_equal(harness_spin(r, 4), 1);
	assert_int_equal(count_seen, 1);

	bufferevent_free(b);
	reactor_free(r);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static size_t pieces;

static void *counted_resize(void *old, size_t n)
{
	void *piece = realloc(old, n);

	if (piece && !old)
		pieces++;
	return piece;
}

static void counted_free(void *piece)
{
	pieces--;
	free(piece);
}

static void free_takes_both_buffers(void **state)
{
	struct probe p;
	struct reactor *r;
	size_t before;

	(void)state;
	harness_quote("bufferevent_free: both buffers go with it");
	before = pieces;
	r = reactor_new(NULL);
	assert_non_null(r);
	probe_pair(&p, r);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 50000);
	harness_spin(r, 4);
	assert_int_equal(probe_held(&p), 50000);
	probe_queue(&p, 3000000);
	harness_spin(r, 4);
	assert_true(probe_queued(&p) > 0);
	probe_end(&p);
	reactor_free(r);
	assert_int_equal(pieces, before);
}

static void free_oneself(struct probe *p, unsigned what)
{
	(void)what;
	probe_free(p);
}

/* The entry that comes first is the last, whatever else is due. */
static void free_in(struct reactor *r, const char *entry, bool reading,
		    size_t fed)
{
	struct probe p;

	probe_pair(&p, r);
	p.on = free_oneself;
	probe_feed(&p, fed);
	probe_queue(&p, 10);
	if (reading)
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	probe_await(&p, entry, 4);
	assert_null(p.bufferevent);
	assert_int_equal(harness_spin(r, 5), 0);
	probe_expect(&p, entry);
	probe_end(&p);
}

static void free_other(struct probe *p, unsigned what)
{
	(void)what;
	probe_free(p->other);
}

static void free_each_other(struct reactor *r)
{
	struct probe a, b;

	probe_pair(&a, r);
	probe_pair(&b, r);
	a.other = &b;
	b.other = &a;
	a.on = b.on = free_other;
	assert_int_equal(bufferevent_enable(a.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_enable(b.bufferevent, EV_READ), 0);
	probe_feed(&a, 1);
	probe_feed(&b, 1);
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_int_equal(harness_spin(r, 5), 0);
	assert_int_equal(a.reads + b.reads, 1);
	probe_end(&a);
	probe_end(&b);
}

static void no_callback_after_free(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe p;

	harness_quote("no callback is ever made after it, from wherever it is "
		      "called");
	free_in(r, "read", true, 10);
	free_in(r, "read|eof", true, 0);
	free_in(r, "write", false, 0);
	free_each_other(r);

	probe_pair(&p, r);
	probe_feed(&p, 1);
	probe_queue(&p, 1);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ | EV_WRITE),
			 0);
	probe_free(&p);
	assert_int_equal(harness_spin(r, 5), 0);
	probe_expect(&p, "");
	probe_end(&p);
}

struct freeing_timer {
	struct reactor_timer timer;
	struct probe *probe;
};

static void free_by_timer(struct reactor_timer *timer)
{
	probe_free(((struct freeing_timer *)timer)->probe);
}

static void no_callback_after_free_by_a_timer(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct freeing_timer t = { .timer = { .fire = free_by_timer } };
	struct probe p;

	harness_quote("no callback is ever made after it, from wherever it is "
		      "called");
	probe_pair(&p, r);
	t.probe = &p;
	p.on = NULL;
	probe_queue(&p, 10);
	reactor_timer_start(r, &t.timer, 0);
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_null(p.bufferevent);
	assert_int_equal(harness_spin(r, 5), 0);
	probe_expect(&p, "");
	probe_end(&p);
}

/* --- Buffers, marks, timeouts, sides ------------------------------------- */

static void get_read_and_get_write_lend(void **state)
{
	struct evbuffer *in, *out;
	struct probe p;
	char text[4] = "";

	harness_quote("get_read, get_write: struct evbuffer *, borrowed");
	probe_pair(&p, probe_reactor(state));
	in = bufferevent_get_read(p.bufferevent);
	out = bufferevent_get_write(p.bufferevent);
	assert_non_null(in);
	assert_non_null(out);
	assert_ptr_not_equal(in, out);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	harness_send(p.peer, "abc");
	assert_int_equal(evbuffer_add(out, "def", 3), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 2);
	assert_int_equal(evbuffer_remove(in, text, sizeof(text)), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(recv(p.peer, text, sizeof(text), MSG_DONTWAIT), 3);
	assert_string_equal(text, "def");
	assert_ptr_equal(bufferevent_get_read(p.bufferevent), in);
	assert_ptr_equal(bufferevent_get_write(p.bufferevent), out);
	probe_end(&p);
}

static void read_watermarks(void **state)
{
	struct probe p;
	size_t low, high;

	harness_quote("set_read_watermarks(low, high): low: size at which the "
		      "event fires; high: the most that is buffered (0 = no "
		      "limit)");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 5, 10),
			 0);
	errno = 0;
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 20, 10),
			 -1);
	assert_int_equal(errno, EINVAL);
	bufferevent_get_read_watermarks(p.bufferevent, &low, &high);
	assert_int_equal(low, 5);
	assert_int_equal(high, 10);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 4);
	assert_int_equal(harness_spin(p.reactor, 4), 0);
	probe_feed(&p, 96);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 10);
	assert_int_equal(harness_spin(p.reactor, 4), 0);
	assert_int_equal(probe_held(&p), 10);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 100, 0),
			 0);
	probe_await(&p, "read read", 4);
	assert_int_equal(p.held, 100);
	probe_end(&p);
}

static void write_watermarks(void **state)
{
	struct bufferevent *b;
	struct probe p;
	size_t low, high;

	harness_quote("set_write_watermarks(low, high): low: at or below it "
		      "the event fires; high: ours to keep, the application's "
		      "to use: bufferevent_is_full");
	probe_pair(&p, probe_reactor(state));
	b = p.bufferevent;
	assert_int_equal(bufferevent_disable(b, EV_WRITE), 0);
	assert_int_equal(bufferevent_set_write_watermarks(b, 5, 10), 0);
	errno = 0;
	assert_int_equal(bufferevent_set_write_watermarks(b, 20, 10), -1);
	assert_int_equal(errno, EINVAL);
	bufferevent_get_write_watermarks(b, &low, &high);
	assert_int_equal(low, 5);
	assert_int_equal(high, 10);
	probe_queue(&p, 9);
	assert_false(bufferevent_is_full(b));
	probe_queue(&p, 1);
	assert_true(bufferevent_is_full(b));
	probe_queue(&p, 10);
	assert_int_equal(probe_queued(&p), 20);
	assert_int_equal(bufferevent_enable(b, EV_WRITE), 0);
	probe_await(&p, "write", 4);
	assert_true(p.queued <= 5);
	assert_false(bufferevent_is_full(b));
	probe_end(&p);
}

static void timeouts_of_each_side(void **state)
{
	struct probe p;

	harness_quote("set_timeouts(read, write): each side's readiness "
		      "timeout (0 = none)");
	probe_pair(&p, probe_reactor(state));
	harness_fill(p.fd);
	probe_queue(&p, 1);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_idle(p.reactor);
	bufferevent_set_timeouts(p.bufferevent, 10, 0);
	probe_await(&p, "read|timeout", 4);
	probe_idle(p.reactor);
	bufferevent_set_timeouts(p.bufferevent, 0, 10);
	probe_await(&p, "read|timeout write|timeout", 4);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void disable_is_final(void **state)
{
	struct probe p;

	harness_quote("enable/disable(EV_READ, EV_WRITE or both): we promise "
		      "more than documented: after `disable` returns, that "
		      "side makes no further callback");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_get_enabled(p.bufferevent), EV_WRITE);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ | EV_WRITE),
			 0);
	assert_int_equal(bufferevent_get_enabled(p.bufferevent),
			 EV_READ | EV_WRITE);
	bufferevent_set_timeouts(p.bufferevent, 1, 1);
	probe_feed(&p, 10);
	probe_queue(&p, 10);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ | EV_WRITE),
			 0);
	assert_int_equal(bufferevent_get_enabled(p.bufferevent), 0);
	probe_hang_up(&p);
	probe_idle(p.reactor);
	probe_expect(&p, "");
	errno = 0;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_SIGNAL), -1);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(bufferevent_disable(p.bufferevent, 0x100), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bufferevent_get_enabled(p.bufferevent), 0);
	probe_end(&p);
}

static void disable_other(struct probe *p, unsigned what)
{
	(void)what;
	assert_int_equal(bufferevent_disable(p->other->bufferevent,
					     EV_READ | EV_WRITE),
			 0);
}

static void disable_is_final_within_a_turn(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct probe a, b;

	harness_quote("after `disable` returns, that side makes no further "
		      "callback");
	probe_pair(&a, r);
	probe_pair(&b, r);
	a.other = &b;
	b.other = &a;
	a.on = b.on = disable_other;
	assert_int_equal(bufferevent_enable(a.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_enable(b.bufferevent, EV_READ), 0);
	probe_feed(&a, 1);
	probe_feed(&b, 1);
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_int_equal(harness_spin(r, 5), 0);
	assert_int_equal(a.reads + b.reads, 1);
	probe_end(&a);
	probe_end(&b);
}

/* --- Constants ----------------------------------------------------------- */

static void constants_keep_their_values(void **state)
{
	(void)state;
	harness_quote("Constants keep the field's values: EV_TIMEOUT 0x01, "
		      "EV_READ 0x02, EV_WRITE 0x04, EV_SIGNAL 0x08; "
		      "EVBUFFER_READ 0x01, EVBUFFER_WRITE 0x02, EVBUFFER_EOF "
		      "0x10, EVBUFFER_ERROR 0x20, EVBUFFER_TIMEOUT 0x40.");
	assert_int_equal(EV_TIMEOUT, 0x01);
	assert_int_equal(EV_READ, 0x02);
	assert_int_equal(EV_WRITE, 0x04);
	assert_int_equal(EV_SIGNAL, 0x08);
	assert_int_equal(EVBUFFER_READ, 0x01);
	assert_int_equal(EVBUFFER_WRITE, 0x02);
	assert_int_equal(EVBUFFER_EOF, 0x10);
	assert_int_equal(EVBUFFER_ERROR, 0x20);
	assert_int_equal(EVBUFFER_TIMEOUT, 0x40);
}

static void errno_is_exposed(void **state)
{
	struct probe p;

	harness_quote("The documentation's \"errno ... not exposed yet\" is a "
		      "gap that we close: bufferevent_error().");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(bufferevent_error(p.bufferevent), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_reset(&p);
	probe_await(&p, "read|error", 4);
	assert_int_equal(bufferevent_error(p.bufferevent), ECONNRESET);
	probe_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(one_type_serves_all_three),
		harness_test(read_is_between_the_marks),
		harness_test(write_means_ready),
		harness_test(the_rest_is_an_error_condition),
		harness_test(only_the_error_callback_must_be),
		harness_test(free_takes_both_buffers),
		harness_test(no_callback_after_free),
		harness_test(no_callback_after_free_by_a_timer),
		harness_test(get_read_and_get_write_lend),
		harness_test(read_watermarks),
		harness_test(write_watermarks),
		harness_test(timeouts_of_each_side),
		harness_test(disable_is_final),
		harness_test(disable_is_final_within_a_turn),
		harness_test(constants_keep_their_values),
		harness_test(errno_is_exposed),
	};

	bufev_set_allocator(counted_resize, counted_free);
	return cmocka_run_group_tests_name("contract/documented", tests, NULL,
					   NULL);
}
