/* SPDX-License-Identifier: MIT */

/* What the sweeps found, each as a test of its own. */

#include <errno.h>

#include "../contract/party.h"
#include "../support/script-kernel.h"

static struct script script;

/* --- A callback that was asked for --------------------------------------- */

/* Asks for a write callback of the other, whose write is about to fail. */
static void ask_the_other(struct party *p, unsigned what)
{
	struct party *other = p->arg;

	if (what == EVBUFFER_READ)
		party_enable(other, EV_WRITE);
}

static void ask_again(struct party *p, unsigned what)
{
	if (what == EVBUFFER_READ) {
		party_enable(p, EV_WRITE);
		return;
	}
	if (what & EVBUFFER_ERROR) {
		evbuffer_drain(bufferevent_get_write(p->bufferevent), SIZE_MAX);
		party_enable(p, EV_READ);
	}
}

/*
 * "once in the turn after bufferevent_enable(EV_WRITE)": what was asked for
 * before the side failed is not to come beside what is asked for after.
 */
static void test_failing_forgets_what_was_asked(void **state)
{
	struct reactor *r = script_reactor(&script);
	struct party asks, fails;

	(void)state;
	assert_non_null(r);
	party_open(&asks, r);
	party_open(&fails, r);
	asks.act = ask_the_other;
	asks.arg = &fails;
	fails.act = ask_again;
	bufferevent_set_write_watermarks(fails.bufferevent, 100, 0);
	harness_spin(r, 2);
	fails.log[0] = '\0';

	party_enable(&asks, EV_READ);
	party_write(&fails, "x");
	harness_send(asks.peer, "go");
	harness_send(fails.peer, "abc");
	script_count(&script, fails.fd);
	script_fail(&script, SCRIPT_WRITE, 1, 1, EPIPE);
	harness_spin(r, 1);
	party_expect(&fails, "write|error");
	harness_spin(r, 1);
	party_expect(&fails, "write|error read");
	harness_spin(r, 1);
	party_expect(&fails, "write|error read write");
	harness_spin(r, 2);
	party_expect(&fails, "write|error read write");

	party_end(&asks);
	party_end(&fails);
	reactor_free(r);
}

/* --- A turn that was to sleep -------------------------------------------- */

static void never(struct reactor_timer *t)
{
	(void)t;
	fail_msg("a timer fired early");
}

/*
 * "waits for up to timeout_ms; not at all where something is queued, due or
 * always ready": that the wheel has something to sort is none of these.  Where
 * time passes 4,096 ms it has, and again 64 ms later.
 */
static void test_sorting_ends_no_sleep(void **state)
{
	struct reactor *r = script_reactor(&script);
	struct reactor_timer t = { .fire = never };
	uint64_t border;

	(void)state;
	assert_non_null(r);
	script_freeze(&script);
	border = (script.clock / 1000000 / 4096 + 2) * 4096;
	script.clock = (border - 16) * 1000000;
	assert_int_equal(reactor_turn(r, 0), 0);
	reactor_timer_start(r, &t, 100);
	script_pass(&script, 20);
	assert_int_equal(reactor_turn(r, 40), 0);
	assert_int_equal(reactor_now(r), border - 16 + 60);
	script_pass(&script, 20);
	assert_int_equal(reactor_turn(r, 10), 0);
	assert_int_equal(reactor_now(r), border - 16 + 90);
	reactor_timer_stop(&t);
	reactor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_failing_forgets_what_was_asked),
		harness_test(test_sorting_ends_no_sleep),
	};

	return cmocka_run_group_tests_name("fault-found", tests, NULL, NULL);
}
