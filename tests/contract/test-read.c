/* SPDX-License-Identifier: MIT */

/*
 * Contract, 3.1 Read: a test for each sentence.
 */

#include "probe.h"

static void comes_when_bytes_arrived_and_low_is_reached(void **state)
{
	struct probe p;

	harness_quote("The callback comes when bytes arrived and length >= "
		      "low.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 5, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(harness_spin(p.reactor, 3), 0);
	probe_feed(&p, 3);
	assert_int_equal(harness_spin(p.reactor, 5), 0);
	assert_int_equal(probe_held(&p), 3);
	probe_feed(&p, 1);
	assert_int_equal(harness_spin(p.reactor, 5), 0);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	probe_expect(&p, "read");
	assert_int_equal(p.held, 5);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 6);
	probe_end(&p);
}

static void a_low_mark_of_nothing_needs_a_byte(void **state)
{
	struct probe p;

	harness_quote("The callback comes when bytes arrived and length >= "
		      "low.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	assert_int_equal(harness_spin(p.reactor, 5), 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 0),
			 0);
	probe_idle(p.reactor);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 1);
	probe_end(&p);
}

static void is_made_once_a_growth(void **state)
{
	struct probe p;

	harness_quote("It is not called again for bytes that the user left "
		      "there until more arrive: one callback a growth, never "
		      "a spin.");
	probe_tcp(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	for (int i = 1; i <= 5; i++) {
		probe_feed(&p, 10);
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		assert_int_equal(p.reads, i);
		probe_idle(p.reactor);
		assert_int_equal(p.held, (size_t)i * 10);
	}
	probe_end(&p);
}

static void does_not_come_for_what_is_taken(void **state)
{
	struct probe p;

	harness_quote("It is not called again for bytes that the user left "
		      "there until more arrive");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(probe_take(&p, 4), 4);
	probe_idle(p.reactor);
	assert_int_equal(probe_take(&p, 6), 6);
	probe_idle(p.reactor);
	probe_expect(&p, "read");
	probe_end(&p);
}

static int ask_by_enable(struct bufferevent *b)
{
	return bufferevent_enable(b, EV_READ);
}

static int ask_by_marks(struct bufferevent *b)
{
	return bufferevent_set_read_watermarks(b, 0, 0);
}

static int (*const ask[])(struct bufferevent *) = { ask_by_enable,
						    ask_by_marks };

static void is_made_again_on_request(void **state)
{
	struct probe p;

	harness_quote("An explicit enable(EV_READ) or set_read_watermarks asks "
		      "again: what then holds >= low bytes calls back in the "
		      "next turn.");
	for (int i = 0; i < 2; i++) {
		probe_pair(&p, probe_reactor(state));
		assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
		probe_feed(&p, 10);
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		probe_idle(p.reactor);
		assert_int_equal(ask[i](p.bufferevent), 0);
		assert_int_equal(p.reads, 1);
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		assert_int_equal(p.reads, 2);
		assert_int_equal(p.held, 10);
		probe_idle(p.reactor);
		probe_end(&p);
	}
}

static void two_requests_make_one_callback(void **state)
{
	struct probe p;

	harness_quote("An explicit enable(EV_READ) or set_read_watermarks asks "
		      "again");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(ask_by_enable(p.bufferevent), 0);
	assert_int_equal(ask_by_marks(p.bufferevent), 0);
	assert_int_equal(ask_by_enable(p.bufferevent), 0);
	probe_feed(&p, 1);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(p.held, 11);
	probe_idle(p.reactor);
	probe_end(&p);
}

static void a_request_below_low_is_not_heard(void **state)
{
	struct probe p;

	harness_quote("what then holds >= low bytes calls back in the next "
		      "turn.");
	probe_pair(&p, probe_reactor(state));
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 11, 0),
			 0);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_idle(p.reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 10, 0),
			 0);
	assert_int_equal(reactor_turn(p.reactor, 1000), 1);
	probe_expect(&p, "read read");
	probe_end(&p);
}

static void ask_three_times(struct probe *p, unsigned what)
{
	(void)what;
	if (p->reads <= 3)
		assert_int_equal(bufferevent_enable(p->bufferevent, EV_READ),
				 0);
}

static void a_request_from_the_callback_is_the_next_turns(void **state)
{
	struct probe p;

	harness_quote("An explicit enable(EV_READ) or set_read_watermarks asks "
		      "again: what then holds >= low bytes calls back in the "
		      "next turn.");
	probe_pair(&p, probe_reactor(state));
	p.on = ask_three_times;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	probe_feed(&p, 10);
	for (int i = 1; i <= 4; i++) {
		assert_int_equal(reactor_turn(p.reactor, 1000), 1);
		assert_int_equal(p.reads, i);
	}
	probe_idle(p.reactor);
	probe_end(&p);
}

/* --- The condition is tested again --------------------------------------- */

static void drain(struct bufferevent *b)
{
	evbuffer_drain(bufferevent_get_read(b), SIZE_MAX);
}

static void turn_off(struct bufferevent *b)
{
	assert_int_equal(bufferevent_disable(b, EV_READ), 0);
}

static void raise_low(struct bufferevent *b)
{
	assert_int_equal(bufferevent_set_read_watermarks(b, 100, 0), 0);
}

static void (*spoil)(struct bufferevent *);

static void spoil_other(struct probe *p, unsigned what)
{
	(void)what;
	spoil(p->other->bufferevent);
}

static void spoil_each_other(struct reactor *r)
{
	struct probe a, b;

	probe_pair(&a, r);
	probe_pair(&b, r);
	a.other = &b;
	b.other = &a;
	a.on = b.on = spoil_other;
	assert_int_equal(bufferevent_enable(a.bufferevent, EV_READ), 0);
	assert_int_equal(bufferevent_enable(b.bufferevent, EV_READ), 0);
	probe_feed(&a, 10);
	probe_feed(&b, 10);
	assert_int_equal(reactor_turn(r, 1000), 1);
	assert_int_equal(a.reads + b.reads, 1);
	probe_idle(r);
	probe_end(&a);
	probe_end(&b);
}

static void its_condition_is_tested_again(void **state)
{
	void (*const ways[])(struct bufferevent *) = { drain, turn_off,
						       raise_low };

	harness_quote("A callback's condition is tested again as it is made, "
		      "since callbacks before it may have changed things.");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		spoil = ways[i];
		spoil_each_other(probe_reactor(state));
	}
}

/* --- Between turns -------------------------------------------------------- */

static void ask_for_another(struct probe *p, unsigned what)
{
	if (what == EVBUFFER_WRITE && p->writes == 1)
		assert_int_equal(bufferevent_enable(p->bufferevent, EV_WRITE),
				 0);
}

static void read_while_a_callback_is_due(void **state)
{
	struct probe p;

	harness_quote("Enabling a side lets bytes move and its callbacks come");
	probe_pair(&p, probe_reactor(state));
	p.on = ask_for_another;
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_WRITE), 0);
	assert_int_equal(reactor_turn(p.reactor, 0), 1);
	probe_feed(&p, 10);
	assert_int_equal(bufferevent_enable(p.bufferevent, EV_READ), 0);
	/* One turn brings what was due and what can be read. */
	assert_int_equal(reactor_turn(p.reactor, 0), 2);
	probe_expect(&p, "write read write");
	probe_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(comes_when_bytes_arrived_and_low_is_reached),
		harness_test(a_low_mark_of_nothing_needs_a_byte),
		harness_test(is_made_once_a_growth),
		harness_test(does_not_come_for_what_is_taken),
		harness_test(is_made_again_on_request),
		harness_test(two_requests_make_one_callback),
		harness_test(a_request_below_low_is_not_heard),
		harness_test(a_request_from_the_callback_is_the_next_turns),
		harness_test(its_condition_is_tested_again),
		harness_test(read_while_a_callback_is_due),
	};

	return cmocka_run_group_tests_name("contract/read", tests, NULL, NULL);
}
