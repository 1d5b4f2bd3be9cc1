/* SPDX-License-Identifier: MIT */

/*
 * Timers that callbacks start with no delay: whichever callback of a turn does
 * it, they are for the next turn.  And timers that were due when the turn
 * began, which callbacks before them may stop, start anew or leave behind.
 */

#include <netinet/in.h>
#include <signal.h>

#include "later.h"
#include "party.h"

/* reactor_timer_start(), in bufev/reactor.h. */
static const char next_turn[] = "With 0 it fires in the next turn.";

static struct {
	struct reactor *reactor;
	struct reactor_timer timer;
	int turn, started, fired; /* in which turn; 0: not yet */
	int fires;
} timing;

static void fire(struct reactor_timer *t)
{
	(void)t;
	timing.fired = timing.turn;
	timing.fires++;
}

static void start_once(void)
{
	if (timing.started)
		return;
	timing.started = timing.turn;
	reactor_timer_start(timing.reactor, &timing.timer, 0);
}

static void prepare(struct reactor *reactor)
{
	memset(&timing, 0, sizeof(timing));
	timing.reactor = reactor;
	timing.timer.fire = fire;
}

static void turn(void)
{
	timing.turn++;
	assert_true(reactor_turn(timing.reactor, 0) >= 0);
}

/* Whatever starts it is there already: that comes within ten turns. */
static void expect_the_next_turn(void)
{
	while (!timing.started && timing.turn < 10)
		turn();
	assert_true(timing.started > 0);
	assert_int_equal(timing.fires, 0);
	turn();
	assert_int_equal(timing.fires, 1);
	assert_int_equal(timing.fired, timing.started + 1);
	turn();
	assert_int_equal(timing.fires, 1);
}

/* --- Whoever starts it --------------------------------------------------- */

static void start_by_party(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	start_once();
}

static void test_from_a_read_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(next_turn);
	prepare(f->reactor);
	party_open(&p, f->reactor);
	p.act = start_by_party;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "x");
	expect_the_next_turn();
	party_expect(&p, "read");
	party_end(&p);
}

static void test_from_a_write_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(next_turn);
	/* After the timers of its turn. */
	prepare(f->reactor);
	party_open(&p, f->reactor);
	p.act = start_by_party;
	party_write(&p, "x");
	expect_the_next_turn();
	party_expect(&p, "write");
	/* And before them. */
	prepare(f->reactor);
	party_enable(&p, EV_WRITE);
	expect_the_next_turn();
	party_expect(&p, "write write");
	party_end(&p);
}

static void test_from_an_error_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(next_turn);
	prepare(f->reactor);
	party_open(&p, f->reactor);
	p.act = start_by_party;
	party_enable(&p, EV_READ);
	party_hang_up(&p);
	expect_the_next_turn();
	assert_int_equal(p.errors, 1);
	party_end(&p);
}

static void start_by_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	start_once();
}

static void test_from_a_watch(void **state)
{
	struct fixture *f = *state;
	static struct reactor_watch w = { .ready = start_by_watch };
	int fd[2];

	harness_quote(next_turn);
	prepare(f->reactor);
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_WRITE), 0);
	expect_the_next_turn();
	reactor_watch_stop(&w);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void start_by_accept(struct bufferevent_listener *l, int fd,
			    const struct sockaddr *address, socklen_t length,
			    void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	harness_close(fd);
	start_once();
}

static void test_from_an_accept_callback(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	struct bufferevent_listener *l;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	harness_quote(next_turn);
	prepare(f->reactor);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = bufferevent_listen(f->reactor, (struct sockaddr *)&address, length,
			       0, start_by_accept, NULL);
	assert_non_null(l);
	assert_int_equal(getsockname(bufferevent_listener_get_fd(l),
				     (struct sockaddr *)&address, &length),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
	expect_the_next_turn();
	bufferevent_listener_free(l);
	harness_close(fd);
}

static void start_by_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
	start_once();
}

static void test_from_a_signal_callback(void **state)
{
	struct fixture *f = *state;
	static struct reactor_signal s = { .caught = start_by_signal };

	harness_quote(next_turn);
	prepare(f->reactor);
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	expect_the_next_turn();
	reactor_signal_stop(&s);
}

static void start_by_task(struct reactor_task *t)
{
	(void)t;
	start_once();
}

static void test_from_a_task(void **state)
{
	struct fixture *f = *state;
	static struct reactor_task t = { .run = start_by_task };

	harness_quote(next_turn);
	prepare(f->reactor);
	reactor_post(f->reactor, &t);
	expect_the_next_turn();
}

static void start_by_timer(struct reactor_timer *t)
{
	(void)t;
	start_once();
}

static void test_from_a_timer(void **state)
{
	struct fixture *f = *state;
	static struct reactor_timer t = { .fire = start_by_timer };

	harness_quote(next_turn);
	prepare(f->reactor);
	reactor_timer_start(f->reactor, &t, 0);
	expect_the_next_turn();
}

/* --- Due in this turn ---------------------------------------------------- */

static void restart_later(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	reactor_timer_start(timing.reactor, &timing.timer, 60000);
}

static void restart_for_the_next(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	reactor_timer_start(timing.reactor, &timing.timer, 0);
}

static void stop_timer(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	reactor_timer_stop(&timing.timer);
}

static void stop_reactor(struct party *p, unsigned what)
{
	(void)p;
	(void)what;
	reactor_stop(timing.reactor);
}

/* A turn in which a read callback does this before a timer that is due. */
static void turn_with(struct fixture *f,
		      void (*act)(struct party *, unsigned what))
{
	struct party p;

	prepare(f->reactor);
	party_open(&p, f->reactor);
	p.act = act;
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 2);
	harness_send(p.peer, "x");
	reactor_timer_start(f->reactor, &timing.timer, 0);
	turn();
	party_expect(&p, "read");
	party_end(&p);
	assert_int_equal(timing.fires, 0);
}

static void test_due_and_started_anew(void **state)
{
	struct fixture *f = *state;

	harness_quote("where it was started already it is started anew.");
	turn_with(f, restart_for_the_next);
	turn();
	assert_int_equal(timing.fires, 1);
	turn_with(f, restart_later);
	turn();
	assert_int_equal(timing.fires, 0);
	reactor_timer_stop(&timing.timer);
	assert_int_equal(reactor_run(f->reactor), 0);
}

static void test_due_and_stopped(void **state)
{
	struct fixture *f = *state;

	harness_quote("What was stopped or freed is not called again");
	turn_with(f, stop_timer);
	turn();
	assert_int_equal(timing.fires, 0);
	assert_int_equal(reactor_run(f->reactor), 0);
}

static void test_due_and_not_delivered(void **state)
{
	struct fixture *f = *state;

	harness_quote("what was not delivered comes in the next run.");
	turn_with(f, stop_reactor);
	assert_int_equal(later_run(f->reactor), 0);
	assert_int_equal(timing.fires, 1);
	/* It can still be stopped. */
	turn_with(f, stop_reactor);
	reactor_timer_stop(&timing.timer);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(timing.fires, 0);
}

static void test_due_and_detached(void **state)
{
	struct fixture *f = *state;

	harness_quote("After reactor_free() what was started is detached: it "
		      "is never called.  To stop it is still safe.");
	turn_with(f, stop_reactor);
	reactor_free(f->reactor);
	assert_null(timing.timer.reactor);
	reactor_timer_stop(&timing.timer);
	f->reactor = reactor_new(NULL);
	assert_non_null(f->reactor);
	prepare(f->reactor);
	reactor_timer_start(f->reactor, &timing.timer, 0);
	turn();
	assert_int_equal(timing.fires, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_from_a_read_callback),
		harness_test(test_from_a_write_callback),
		harness_test(test_from_an_error_callback),
		harness_test(test_from_a_watch),
		harness_test(test_from_an_accept_callback),
		harness_test(test_from_a_signal_callback),
		harness_test(test_from_a_task),
		harness_test(test_from_a_timer),
		harness_test(test_due_and_started_anew),
		harness_test(test_due_and_stopped),
		harness_test(test_due_and_not_delivered),
		harness_test(test_due_and_detached),
	};

	return cmocka_run_group_tests_name("next-turn", tests, NULL, NULL);
}
