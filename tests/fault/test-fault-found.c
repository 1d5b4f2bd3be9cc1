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

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_failing_forgets_what_was_asked),
	};

	return cmocka_run_group_tests_name("fault-found", tests, NULL, NULL);
}
