/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.2 High mark: a test for each sentence.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "probe.h"

/* --- Never past it ------------------------------------------------------- */

static size_t mark;

static void take_two_thirds(struct probe *p, unsigned what)
{
	assert_int_equal(what, EVBUFFER_READ);
	assert_true(p->held <= mark);
	probe_take(p, p->held - p->held / 3);
}

static void read_all_under(struct reactor *r, size_t high, size_t total)
{
	struct probe p;

	probe_pair(&p, r);
	p.on = take_two_thirds;
	mark = high;
	assert_int_equal(
		bufferevent_set_read_watermarks(p.bufferevent, 0, high), 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	for (int i = 0; p.taken + probe_held(&p) < total; i++) {
		assert_true(i < 20000);
		probe_feed(&p, total - p.fed);
		assert_true(reactor_turn(r, 1000) >= 0);
		assert_true(probe_held(&p) <= high);
	}
	probe_end(&p);
}

static void no_read_goes_past_it(void **state)
{
	struct reactor *r = probe_reactor(state);

	harness_quote("No read of ours ever takes the buffer past it.");
	read_all_under(r, 1, 1000);
	read_all_under(r, 7, 10000);
	read_all_under(r, 4096, 1000000);
	read_all_under(r, 65537, 1000000);
}

/* --- Reading stops and starts -------------------------------------------- */

/* Lets the peer send until the probe stands at its mark and nothing moves. */
static void bring_to_the_mark(struct probe *p, size_t high, size_t fed)
{
	assert_int_equal(
		bufferevent_set_read_watermarks(p->bufferevent, 0, high), 0);
	assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ), 0);
	assert_int_equal(probe_feed(p, fed), fed);
	assert_int_equal(harness_spin(p->reactor, 4), 1);
	assert_int_equal(probe_held(p), high);
	probe_forget(p);
}

static void at_the_mark_reading_stops(void **state)
{
	struct probe p;
	int held_back = 0;

	harness_quote("At the mark reading stops (so the peer is pushed "
		      "back)");
	for (int tcp = 0; tcp < 2; tcp++) {
		if (tcp)
			probe_tcp(&p, probe_reactor(state));
		else
			probe_pair(&p, probe_reactor(state));
		bring_to_the_mark(&p, 10, 100);
		for (int i = 0; i < 200; i++) {
			held_back = probe_feed(&p, 1000000) == 0;
			assert_int_equal(reactor_turn(p.reactor, 0), 0);
		}
		assert_true(held_back);
		assert_int_equal(probe_held(&p), 10);
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static void a_file_stops_at_the_mark_too(void **state)
{
	FILE *file = tmpfile();
	struct probe p;

	harness_quote("At the mark reading stops; draining below it starts "
		      "reading again. No stall, no busy loop");
	assert_non_null(file);
	assert_int_equal(write(fileno(file), "0123456789abcdefghij", 20), 20);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	probe_open(&p, probe_reactor(state), fileno(file));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 10);
	probe_idle(p.reactor);
	evbuffer_drain(bufferevent_get_read(p.bufferevent), 5);
	probe_await(&p, "read read", 2);
	probe_idle(p.reactor);
	evbuffer_drain(bufferevent_get_read(p.bufferevent), 10);
	probe_await(&p, "read read read read|eof", 4);
	assert_int_equal(p.held, 5);
	probe_idle(p.reactor);
	p.fd = -1;
	probe_end(&p);
	fclose(file);
}

static void ask_again(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_READ)
		assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ),
				 0);
}

static void requests_do_not_keep_a_file_from_being_read(void **state)
{
	FILE *file = tmpfile();
	struct probe p;

	harness_quote("No stall, no busy loop, in any order of calls.");
	assert_non_null(file);
	assert_int_equal(write(fileno(file), "0123456789abcdefghij", 20), 20);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	probe_open(&p, probe_reactor(state), fileno(file));
	p.on = ask_again;
	p.fold = true;
	bufferevent_set_max_transfer(p.bufferevent, 10);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read read|eof", 10);
	assert_int_equal(p.held, 20);
	p.fd = -1;
	probe_end(&p);
	fclose(file);
}

static void by_drain(struct probe *p)
{
	evbuffer_drain(bufferevent_get_read(p->bufferevent), 1);
}

static void by_remove(struct probe *p)
{
	char out[16];

	evbuffer_remove(bufferevent_get_read(p->bufferevent), out, 10);
}

static void by_remove_buffer(struct probe *p)
{
	struct evbuffer *other = evbuffer_new();

	assert_int_equal(
		evbuffer_remove_buffer(bufferevent_get_read(p->bufferevent),
				       other, 3),
		3);
	evbuffer_free(other);
}

static void by_add_buffer(struct probe *p)
{
	struct evbuffer *other = evbuffer_new();

	assert_int_equal(evbuffer_add_buffer(
				 other, bufferevent_get_read(p->bufferevent)),
			 0);
	evbuffer_free(other);
}

static void by_readln(struct probe *p)
{
	char *line = evbuffer_readln(bufferevent_get_read(p->bufferevent), NULL,
				     EVBUFFER_EOL_LF);

	assert_non_null(line);
	free(line);
}

static void by_readline(struct probe *p)
{
	char *line = evbuffer_readline(bufferevent_get_read(p->bufferevent));

	assert_non_null(line);
	free(line);
}

static void by_write(struct probe *p)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_int_equal(
		evbuffer_write(bufferevent_get_read(p->bufferevent), fd, 5), 5);
	harness_close(fd);
}

static void by_bufferevent_read(struct probe *p)
{
	char out[4];

	assert_int_equal(bufferevent_read(p->bufferevent, out, 4), 4);
}

static void by_echo(struct probe *p)
{
	assert_int_equal(
		bufferevent_write_buffer(p->bufferevent,
					 bufferevent_get_read(p->bufferevent)),
		0);
}

static void by_echo_of_buffers(struct probe *p)
{
	assert_int_equal(
		evbuffer_add_buffer(bufferevent_get_write(p->bufferevent),
				    bufferevent_get_read(p->bufferevent)),
		0);
}

static void (*const drain[])(struct probe *) = {
	by_drain,  by_remove,	      by_remove_buffer, by_add_buffer,
	by_readln, by_readline,	      by_write,		by_bufferevent_read,
	by_echo,   by_echo_of_buffers
};

enum { DRAINS = sizeof(drain) / sizeof(drain[0]) };

static void draining_starts_it_by_whatever_call(void **state)
{
	struct probe p;

	harness_quote("draining below it, by whatever evbuffer call, starts "
		      "reading again.");
	for (size_t i = 0; i < DRAINS; i++) {
		probe_pair(&p, probe_reactor(state));
		assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent,
								 0, 10),
				 0);
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		harness_send(p.peer, "line one\nxline two\nxmore");
		assert_int_equal(harness_spin(p.reactor, 4), 1);
		assert_int_equal(probe_held(&p), 10);
		drain[i](&p);
		assert_true(probe_held(&p) < 10);
		assert_int_equal(p.reads, 1);
		assert_true(reactor_turn(p.reactor, 1000) >= 1);
		assert_int_equal(p.reads, 2);
		assert_int_equal(p.held, 10);
		assert_int_equal(probe_held(&p), 10);
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static struct probe *dry;

static void drain_in_timer(struct reactor_timer *t)
{
	(void)t;
	by_drain(dry);
}

static void drain_in_task(struct reactor_task *t)
{
	(void)t;
	by_drain(dry);
}

static void drain_in_callback(struct probe *p, unsigned what)
{
	(void)p;
	(void)what;
	by_drain(dry);
}

static void draining_starts_it_from_wherever(void **state)
{
	struct reactor *r = probe_reactor(state);
	struct reactor_timer timer = { .fire = drain_in_timer };
	struct reactor_task task = { .run = drain_in_task };
	struct probe p, q;

	harness_quote("draining below it, from wherever, starts reading "
		      "again.");
	probe_pair(&p, r);
	probe_pair(&q, r);
	dry = &p;
	bring_to_the_mark(&p, 10, 100);
	reactor_timer_start(r, &timer, 0);
	probe_await(&p, "read", 3);
	reactor_post(r, &task);
	probe_await(&p, "read read", 3);

	q.on = drain_in_callback;
	assert_int_equal(bufferevent_enable(q.bufferevent, EV_READ), 0);
	probe_feed(&q, 1);
	probe_await(&p, "read read read", 3);
	probe_queue(&q, 1);
	probe_await(&p, "read read read read", 3);
	probe_expect(&q, "read write");
	probe_hang_up(&q);
	assert_int_equal(bufferevent_disable(q.bufferevent, EV_WRITE), 0);
	probe_await(&p, "read read read read read", 3);
	assert_int_equal(probe_held(&p), 10);
	probe_idle(r);
	probe_end(&p);
	probe_end(&q);
}

static void a_higher_mark_starts_it(void **state)
{
	struct probe p;

	harness_quote("No stall, no busy loop, in any order of calls.");
	probe_pair(&p, probe_reactor(state));
	bring_to_the_mark(&p, 10, 100);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 20),
			 0);
	probe_await(&p, "read", 2);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 30),
			 0);
	probe_idle(p.reactor);
	assert_int_equal(probe_held(&p), 20);
	assert_int_equal(probe_take(&p, 20), 20);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_await(&p, "read read", 2);
	assert_int_equal(p.held, 30);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 0),
			 0);
	probe_await(&p, "read read read", 2);
	assert_int_equal(p.held, 80);
	probe_end(&p);
}

/* --- In any order of calls ----------------------------------------------- */

static unsigned chance(unsigned below)
{
	static unsigned seed = 1;

	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

static void take_a_little(struct probe *p, unsigned what)
{
	(void)what;
	if (chance(2))
		probe_take(p, chance(30));
}

static void do_something(struct probe *p)
{
	switch (chance(7)) {
	case 0:
		assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ),
				 0);
		break;
	case 1:
		assert_int_equal(bufferevent_disable(p->bufferevent, EV_READ),
				 0);
		break;
	case 2:
		mark = chance(50);
		assert_int_equal(bufferevent_set_read_watermarks(
					 p->bufferevent, mark / 2, mark),
				 0);
		break;
	case 3:
		probe_take(p, chance(60));
		break;
	case 4:
		reactor_turn(p->reactor, 0);
		break;
	default:
		probe_feed(p, chance(100));
	}
}

/* Nothing calls any more, and what can be read has been. */
static void comes_to_rest(struct probe *p)
{
	bool reading = bufferevent_get_enabled(p->bufferevent) & EV_READ;
	int quiet = 0, waiting = 0;

	for (int i = 0; quiet < 3; i++) {
		assert_true(i < 5000);
		quiet = reactor_turn(p->reactor, 0) == 0 ? quiet + 1 : 0;
	}
	assert_int_equal(ioctl(p->fd, FIONREAD, &waiting), 0);
	if (reading && (mark == 0 || probe_held(p) < mark))
		assert_int_equal(waiting, 0);
}

static void no_order_of_calls_stalls_or_spins(void **state)
{
	struct probe p;

	harness_quote("No stall, no busy loop, in any order of calls.");
	probe_pair(&p, probe_reactor(state));
	p.on = take_a_little;
	mark = 0;
	for (int round = 0; round < 1000; round++) {
		for (unsigned n = chance(10); n > 0; n--)
			do_something(&p);
		comes_to_rest(&p);
	}
	mark = 0;
	p.on = NULL;
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	comes_to_rest(&p);
	probe_take(&p, SIZE_MAX);
	assert_int_equal(p.taken, p.fed);
	probe_idle(p.reactor);
	probe_end(&p);
}

/* --- Limits, and lengths above it ---------------------------------------- */

static void a_limit_is_a_high_mark(void **state)
{
	struct bufferevent *b;
	struct evbuffer *in;
	struct probe p;

	harness_quote("A limit on the read buffer acts as a high mark (low > "
		      "limit: EINVAL).");
	probe_pair(&p, probe_reactor(state));
	b = p.bufferevent;
	in = bufferevent_get_read(b);
	assert_int_equal(evbuffer_set_limit(in, 10), 0);
	errno = 0;
	assert_int_equal(bufferevent_set_read_watermarks(b, 11, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(bufferevent_set_read_watermarks(b, 6, 0), 0);
	errno = 0;
	assert_int_equal(evbuffer_set_limit(in, 5), -1);
	assert_int_equal(errno, EINVAL);

	assert_int_equal(bufferevent_enable(b, EV_READ), 0);
	probe_feed(&p, 100);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 10);
	probe_idle(p.reactor);
	assert_int_equal(probe_take(&p, 5), 5);
	probe_await(&p, "read read", 2);
	assert_int_equal(p.held, 10);
	assert_int_equal(evbuffer_set_limit(in, 20), 0);
	probe_await(&p, "read read read", 2);
	assert_int_equal(p.held, 20);
	assert_int_equal(bufferevent_set_read_watermarks(b, 0, 15), 0);
	assert_int_equal(probe_take(&p, 20), 20);
	probe_await(&p, "read read read read", 2);
	assert_int_equal(p.held, 15);
	probe_end(&p);
}

static void a_length_above_it_by_lowering_calls_back(void **state)
{
	struct probe p;

	harness_quote("A length above high that the user made (by lowering "
		      "high) still calls back.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 20);
	probe_await(&p, "read", 2);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	probe_feed(&p, 30);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 20);
	probe_idle(p.reactor);
	assert_int_equal(probe_take(&p, 10), 10);
	probe_idle(p.reactor);
	assert_int_equal(probe_take(&p, 5), 5);
	probe_await(&p, "read read read", 2);
	assert_int_equal(p.held, 10);
	probe_end(&p);
}

static void a_length_above_it_by_adding_calls_back(void **state)
{
	struct evbuffer *in;
	struct probe p;

	harness_quote("A length above high that the user made (by adding) "
		      "still calls back.");
	probe_pair(&p, probe_reactor(state));
	in = bufferevent_get_read(p.bufferevent);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	assert_int_equal(evbuffer_add(in, "abcdefghijklmnopqrst", 20), 0);
	probe_feed(&p, 30);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 20);
	probe_idle(p.reactor);
	assert_int_equal(evbuffer_drain(in, 20), 20);
	probe_await(&p, "read read", 2);
	assert_int_equal(p.held, 10);
	assert_int_equal(probe_take(&p, 10), 10);
	probe_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(no_read_goes_past_it),
		harness_test(at_the_mark_reading_stops),
		harness_test(a_file_stops_at_the_mark_too),
		harness_test(requests_do_not_keep_a_file_from_being_read),
		harness_test(draining_starts_it_by_whatever_call),
		harness_test(draining_starts_it_from_wherever),
		harness_test(a_higher_mark_starts_it),
		harness_test(no_order_of_calls_stalls_or_spins),
		harness_test(a_limit_is_a_high_mark),
		harness_test(a_length_above_it_by_lowering_calls_back),
		harness_test(a_length_above_it_by_adding_calls_back),
	};

	return cmocka_run_group_tests_name("contract/high-mark", tests, NULL,
					   NULL);
}
