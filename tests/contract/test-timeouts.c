/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.6 Timeouts: a test for each sentence, save what is said of the
 * clock, which is in test-never-early.c.  The clock is the script's: time
 * passes only where a test says so, or while a wait finds nothing.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "probe.h"
#include "script-kernel.h"

static struct script script;

static struct reactor *begin(struct probe *p)
{
	struct reactor *r = script_reactor(&script);

	assert_non_null(r);
	script_freeze(&script);
	probe_pair(p, r);
	return r;
}

static void end(struct probe *p, struct reactor *r)
{
	probe_end(p);
	reactor_free(r);
}

/* After so many milliseconds, turns that do not wait find nothing to call. */
static void nothing_after(struct reactor *r, uint64_t ms)
{
	script_pass(&script, ms);
	assert_int_equal(harness_spin(r, 3), 0);
}

/* After so many milliseconds, the next turn calls once. */
static void a_call_after(struct reactor *r, uint64_t ms)
{
	script_pass(&script, ms);
	assert_int_equal(reactor_turn(r, 0), 1);
}

/* Queues ten bytes where the kernel takes none. */
static void block(struct probe *p)
{
	harness_fill(p->fd);
	probe_queue(p, 10);
}

/* --- Reading ------------------------------------------------------------- */

static void reading_is_timed_while_it_waits(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("A side is timed while it is enabled and waits for the "
		      "kernel, counted from when it began to wait");
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	nothing_after(r, 1000);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "read|timeout");
	end(&p, r);
}

static void not_while_disabled(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("A side is timed while it is enabled");
	bufferevent_set_timeouts(p.bufferevent, 50, 50);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	block(&p);
	nothing_after(r, 0);
	nothing_after(r, 40);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ | EV_WRITE),
			 0);
	nothing_after(r, 1000);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "read|timeout");
	end(&p, r);
}

static void not_at_the_high_mark(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("(reading: not stopped at the high mark)");
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 40);
	probe_feed(&p, 10);
	a_call_after(r, 0);
	probe_expect(&p, "read");
	nothing_after(r, 1000);
	assert_int_equal(probe_take(&p, 1), 1);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "read read|timeout");
	end(&p, r);
}

static void reading_is_counted_from_the_last_byte(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("counted from the last byte moved");
	p.fold = true;
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	for (int i = 0; i < 20; i++) {
		nothing_after(r, 40);
		probe_feed(&p, 1);
		a_call_after(r, 0);
	}
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "read read|timeout");
	end(&p, r);
}

static void bytes_below_low_count(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("counted from the last byte moved");
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 100, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	for (int i = 0; i < 5; i++) {
		nothing_after(r, 40);
		probe_feed(&p, 1);
		nothing_after(r, 0);
	}
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "read|timeout");
	assert_int_equal(p.held, 5);
	end(&p, r);
}

/* --- Writing ------------------------------------------------------------- */

static void writing_is_timed_while_bytes_are_queued(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("(writing: has bytes queued, or is connecting)");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	nothing_after(r, 1000);
	probe_queue(&p, 10);
	a_call_after(r, 0);
	probe_expect(&p, "write");
	nothing_after(r, 1000);
	block(&p);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "write write|timeout");
	assert_int_equal(p.queued, 10);
	end(&p, r);
}

static void writing_is_not_timed_while_disabled(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("A side is timed while it is enabled");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	block(&p);
	nothing_after(r, 1000);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "write|timeout");
	end(&p, r);
}

static void writing_is_counted_from_the_last_byte(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("counted from the last byte moved");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	harness_fill(p.fd);
	probe_queue(&p, 1000);
	nothing_after(r, 0);
	for (int i = 0; i < 5; i++) {
		size_t before = probe_queued(&p);

		nothing_after(r, 40);
		script.most = 10;
		harness_drain(p.peer);
		assert_int_equal(reactor_turn(r, 0), 0);
		assert_true(probe_queued(&p) < before);
		harness_fill(p.fd);
	}
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "write|timeout");
	end(&p, r);
}

static void a_write_waits_from_the_flush(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("(a write waits from the flush that left something)");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	block(&p);
	script_pass(&script, 40);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "write|timeout");
	end(&p, r);
}

static void adding_is_no_progress(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("counted from the last byte moved or from when it began "
		      "to wait");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	block(&p);
	nothing_after(r, 0);
	for (int i = 0; i < 2; i++) {
		nothing_after(r, 10);
		probe_queue(&p, 10);
	}
	/* Who drops old news for new ones shall learn that nobody takes any. */
	harness_quote("What you take out of the write buffer and replace "
		      "between two turns begins no wait of its own");
	for (int i = 0; i < 2; i++) {
		nothing_after(r, 10);
		evbuffer_drain(bufferevent_get_write(p.bufferevent), SIZE_MAX);
		probe_queue(&p, 10);
	}
	nothing_after(r, 9);
	a_call_after(r, 1);
	probe_expect(&p, "write|timeout");
	end(&p, r);
}

/* A wait that was over, and one that began, with no turn between. */
static void a_write_waits_anew_after_a_flush(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("counted from the last byte moved or from when it began "
		      "to wait (a write waits from the flush that left "
		      "something)");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	block(&p);
	nothing_after(r, 0);
	harness_drain(p.peer);
	harness_await(p.fd, POLLOUT);
	assert_int_equal(bufferevent_flush(p.bufferevent), 0);
	assert_int_equal(probe_collect(&p, NULL), 10);
	script_pass(&script, 1000);
	block(&p);
	assert_int_equal(bufferevent_flush(p.bufferevent), 1);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	probe_expect(&p, "write|timeout");
	end(&p, r);
}

/* --- Connecting ---------------------------------------------------------- */

enum { KNOCKS = 16 };

struct full_listener {
	struct sockaddr_in address;
	int fd, knock[KNOCKS], knocks;
};

/* A listener whose queue is full: who connects now waits for an answer. */
static void fill_up(struct full_listener *l)
{
	socklen_t length = sizeof(l->address);
	struct pollfd one = { .events = POLLOUT };

	memset(l, 0, sizeof(*l));
	l->address.sin_family = AF_INET;
	l->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->fd, (struct sockaddr *)&l->address, length),
			 0);
	assert_int_equal(listen(l->fd, 0), 0);
	assert_int_equal(
		getsockname(l->fd, (struct sockaddr *)&l->address, &length), 0);
	do {
		assert_true(l->knocks < KNOCKS);
		one.fd = socket(AF_INET,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		l->knock[l->knocks++] = one.fd;
		if (connect(one.fd, (struct sockaddr *)&l->address, length) < 0)
			assert_int_equal(errno, EINPROGRESS);
	} while (poll(&one, 1, 50) == 1);
}

static void empty(struct full_listener *l)
{
	for (int i = 0; i < l->knocks; i++)
		harness_close(l->knock[i]);
	harness_close(l->fd);
}

static unsigned outcome;
static int outcomes;

static void note(struct bufferevent *b, unsigned what)
{
	(void)b;
	outcome = what;
	outcomes++;
}

static void connecting_is_timed(void **state)
{
	struct reactor *r = script_reactor(&script);
	struct full_listener l;
	struct bufferevent *b;

	(void)state;
	harness_quote("(writing: has bytes queued, or is connecting)");
	assert_non_null(r);
	script_freeze(&script);
	fill_up(&l);
	outcomes = 0;
	b = bufferevent_connect(r, (struct sockaddr *)&l.address,
				sizeof(l.address), note, note, note);
	assert_non_null(b);
	nothing_after(r, 1000);
	bufferevent_set_timeouts(b, 0, 50);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	assert_int_equal(outcomes, 1);
	assert_int_equal(outcome, EVBUFFER_WRITE | EVBUFFER_TIMEOUT);
	nothing_after(r, 1000);
	bufferevent_free(b);
	reactor_free(r);
	empty(&l);
}

/* --- Bytes beat the timeout ---------------------------------------------- */

static void input_beats_the_timeout(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("Bytes beat the timeout: before a TIMEOUT is reported, "
		      "one transfer is tried for that side.");
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 0);
	script.deaf = true;
	script_count(&script, p.fd);
	probe_feed(&p, 10);
	script_pass(&script, 60);
	harness_spin(r, 3);
	probe_expect(&p, "read");
	assert_int_equal(p.held, 10);
	assert_int_equal(script.calls[SCRIPT_READ], 1);
	nothing_after(r, 49);
	script_count(&script, p.fd);
	a_call_after(r, 1);
	probe_expect(&p, "read read|timeout");
	assert_int_equal(script.calls[SCRIPT_READ], 1);
	end(&p, r);
}

static void an_end_beats_the_timeout(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("Bytes beat the timeout: before a TIMEOUT is reported, "
		      "one transfer is tried for that side.");
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 0);
	script.deaf = true;
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	script_pass(&script, 60);
	harness_spin(r, 3);
	probe_expect(&p, "read|eof");
	end(&p, r);
}

static void output_beats_the_timeout(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("Bytes beat the timeout: before a TIMEOUT is reported, "
		      "one transfer is tried for that side.");
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	block(&p);
	nothing_after(r, 0);
	script.deaf = true;
	script_count(&script, p.fd);
	harness_drain(p.peer);
	script_pass(&script, 60);
	harness_spin(r, 3);
	probe_expect(&p, "write");
	assert_int_equal(probe_collect(&p, NULL), 10);
	assert_int_equal(script.calls[SCRIPT_WRITE], 1);
	block(&p);
	nothing_after(r, 0);
	nothing_after(r, 49);
	script_count(&script, p.fd);
	a_call_after(r, 1);
	probe_expect(&p, "write write|timeout");
	assert_int_equal(script.calls[SCRIPT_WRITE], 1);
	end(&p, r);
}

/* --- Once ---------------------------------------------------------------- */

/* Found by the model. */
static void enabling_an_enabled_side_is_no_progress(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("A side is timed while it is enabled and waits for the "
		      "kernel, counted from the last byte moved");
	bufferevent_set_timeouts(p.bufferevent, 50, 50);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	block(&p);
	nothing_after(r, 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bufferevent_enable(p.bufferevent,
						    EV_READ | EV_WRITE),
				 0);
		nothing_after(r, 10);
	}
	script_pass(&script, 10);
	assert_int_equal(harness_spin(r, 2), 2);
	probe_expect(&p, "read|timeout write|timeout");
	end(&p, r);
}

static void it_fires_once(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("It fires once: the side is disabled and TIMEOUT "
		      "reported; enabling arms it again.");
	bufferevent_set_timeouts(p.bufferevent, 50, 70);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	block(&p);
	nothing_after(r, 0);
	a_call_after(r, 50);
	probe_expect(&p, "read|timeout");
	assert_int_equal(p.enabled, EV_WRITE);
	a_call_after(r, 20);
	probe_expect(&p, "read|timeout write|timeout");
	assert_int_equal(p.enabled, 0);
	nothing_after(r, 10000);

	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ | EV_WRITE),
			 0);
	nothing_after(r, 0);
	nothing_after(r, 49);
	a_call_after(r, 1);
	nothing_after(r, 19);
	a_call_after(r, 1);
	probe_expect(&p, "read|timeout write|timeout read|timeout "
			 "write|timeout");
	nothing_after(r, 10000);
	end(&p, r);
}

static void zero_clears(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("0 clears.");
	bufferevent_set_timeouts(p.bufferevent, 50, 50);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	block(&p);
	nothing_after(r, 0);
	nothing_after(r, 40);
	bufferevent_set_timeouts(p.bufferevent, 0, 50);
	nothing_after(r, 40);
	bufferevent_set_timeouts(p.bufferevent, 0, 0);
	nothing_after(r, 10000);
	probe_expect(&p, "");
	end(&p, r);
}

static void waits_are_timed_anew_from_the_call(void **state)
{
	struct probe p;
	struct reactor *r = begin(&p);

	(void)state;
	harness_quote("Waits that are going on are timed from this call.");
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	nothing_after(r, 1000);
	bufferevent_set_timeouts(p.bufferevent, 50, 0);
	nothing_after(r, 40);
	bufferevent_set_timeouts(p.bufferevent, 20, 0);
	nothing_after(r, 19);
	bufferevent_set_timeouts(p.bufferevent, 100, 0);
	nothing_after(r, 99);
	a_call_after(r, 1);
	probe_expect(&p, "read|timeout");
	end(&p, r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(reading_is_timed_while_it_waits),
		harness_test(not_while_disabled),
		harness_test(not_at_the_high_mark),
		harness_test(reading_is_counted_from_the_last_byte),
		harness_test(bytes_below_low_count),
		harness_test(writing_is_timed_while_bytes_are_queued),
		harness_test(writing_is_not_timed_while_disabled),
		harness_test(writing_is_counted_from_the_last_byte),
		harness_test(a_write_waits_from_the_flush),
		harness_test(adding_is_no_progress),
		harness_test(a_write_waits_anew_after_a_flush),
		harness_test(connecting_is_timed),
		harness_test(input_beats_the_timeout),
		harness_test(an_end_beats_the_timeout),
		harness_test(output_beats_the_timeout),
		harness_test(enabling_an_enabled_side_is_no_progress),
		harness_test(it_fires_once),
		harness_test(zero_clears),
		harness_test(waits_are_timed_anew_from_the_call),
	};

	return cmocka_run_group_tests_name("contract/timeouts", tests, NULL,
					   NULL);
}
