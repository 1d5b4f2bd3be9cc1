/* SPDX-License-Identifier: MIT */

/*
 * Re-entry: what may be called from callbacks, and that nothing is called that
 * should not be.
 */

#include <signal.h>
#include <stdlib.h>

#include "party.h"

/* --- Anything, from any callback ----------------------------------------- */

static const char anything[] =
	"Anything may be called from any callback, on this or another "
	"bufferevent, `bufferevent_free` included.";

static void free_itself(struct party *p, unsigned what)
{
	(void)what;
	party_free_now(p);
}

static void test_free_in_read_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(anything);
	party_open(&p, f->reactor);
	p.act = free_itself;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_hang_up(&p);
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 5);
	party_expect(&p, "read");
	party_end(&p);
}

static void test_free_in_write_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(anything);
	party_open(&p, f->reactor);
	p.act = free_itself;
	party_write(&p, "abc");
	harness_turns(f->reactor, party_has_written, &p, 10);
	harness_spin(f->reactor, 5);
	party_expect(&p, "write");
	party_peer_gets(&p, "abc");
	party_end(&p);
}

static void test_free_in_error_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(anything);
	party_open(&p, f->reactor);
	p.act = free_itself;
	party_enable(&p, EV_READ);
	party_hang_up(&p);
	harness_turns(f->reactor, party_has_failed, &p, 10);
	harness_spin(f->reactor, 5);
	assert_int_equal(p.errors, 1);
	assert_int_equal(p.reads + p.writes, 0);
	party_end(&p);
}

/* Every call of bufev/bufferevent.h but those that end a life. */
static void call_everything(struct bufferevent *b)
{
	char byte;
	size_t low, high;
	struct evbuffer *more = evbuffer_new();

	assert_non_null(more);
	assert_int_equal(evbuffer_add(more, "m", 1), 0);
	assert_int_equal(bufferevent_disable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_enable(b, EV_READ | EV_WRITE), 0);
	assert_int_equal(bufferevent_get_enabled(b), EV_READ | EV_WRITE);
	assert_int_equal(bufferevent_set_read_watermarks(b, 1, 100), 0);
	assert_int_equal(bufferevent_set_write_watermarks(b, 0, 100), 0);
	bufferevent_get_read_watermarks(b, &low, &high);
	bufferevent_get_write_watermarks(b, &low, &high);
	bufferevent_set_timeouts(b, 5000, 5000);
	bufferevent_set_max_transfer(b, 4096);
	bufferevent_set_callbacks(b, party_called, party_called, party_called);
	bufferevent_own_fd(b, false);
	assert_int_equal(bufferevent_write(b, "w", 1), 0);
	assert_int_equal(bufferevent_write_buffer(b, more), 0);
	assert_int_equal(evbuffer_add(bufferevent_get_write(b), "e", 1), 0);
	assert_true(bufferevent_flush(b) >= 0);
	bufferevent_read(b, &byte, 1);
	evbuffer_drain(bufferevent_get_read(b), 1);
	bufferevent_error(b);
	assert_false(bufferevent_is_full(b));
	assert_int_equal(bufferevent_shutdown(b), 0);
	evbuffer_free(more);
}

static void call_everything_on_arg(struct party *p, unsigned what)
{
	struct party *target = p->arg;

	(void)what;
	p->act = NULL;
	call_everything(target->bufferevent);
}

static void test_everything_on_this(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(anything);
	party_open(&p, f->reactor);
	p.act = call_everything_on_arg;
	p.arg = &p;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 5);
	party_peer_gets(&p, "wme");
	assert_int_equal(p.errors, 0);
	party_end(&p);
}

static void test_everything_on_another(void **state)
{
	struct fixture *f = *state;
	struct party p, other;

	harness_quote(anything);
	party_open(&p, f->reactor);
	party_open(&other, f->reactor);
	p.act = call_everything_on_arg;
	p.arg = &other;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 5);
	party_peer_gets(&other, "wme");
	assert_int_equal(other.errors, 0);
	party_end(&other);
	party_end(&p);
}

/* Callbacks of all the other kinds, each of which frees a bufferevent. */
struct others {
	struct reactor_watch watch;
	struct reactor_timer timer;
	struct reactor_signal signal;
	struct reactor_task task;
	struct party party[4];
};

static void ready(struct reactor_watch *w, unsigned events)
{
	struct others *o = (struct others *)(void *)w;

	(void)events;
	party_free_now(&o->party[0]);
	reactor_watch_stop(w);
}

static struct others *others;

static void fire(struct reactor_timer *t)
{
	(void)t;
	party_free_now(&others->party[1]);
}

static void caught(struct reactor_signal *s, int signo)
{
	(void)signo;
	party_free_now(&others->party[2]);
	reactor_signal_stop(s);
}

static void run(struct reactor_task *t)
{
	(void)t;
	party_free_now(&others->party[3]);
}

static bool all_are_freed(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++) {
		if (others->party[i].bufferevent)
			return false;
	}
	return true;
}

static void test_free_in_callbacks_of_all_kinds(void **state)
{
	struct fixture *f = *state;
	struct others o = { .watch.ready = ready,
			    .timer.fire = fire,
			    .signal.caught = caught,
			    .task.run = run };
	int fd[2];

	harness_quote(anything);
	others = &o;
	harness_pair(fd);
	harness_send(fd[1], "x");
	for (int i = 0; i < 4; i++) {
		party_open(&o.party[i], f->reactor);
		party_enable(&o.party[i], EV_READ);
	}
	assert_int_equal(
		reactor_watch_set(f->reactor, &o.watch, fd[0], EV_READ), 0);
	reactor_timer_start(f->reactor, &o.timer, 1);
	assert_int_equal(reactor_signal_start(f->reactor, &o.signal, SIGUSR1),
			 0);
	raise(SIGUSR1);
	reactor_post(f->reactor, &o.task);
	harness_turns(f->reactor, all_are_freed, NULL, 20);
	for (int i = 0; i < 4; i++)
		party_end(&o.party[i]);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

/* --- Nothing after free or disable --------------------------------------- */

static const char nothing_after[] =
	"After free, and for a disabled side, nothing is called, not even for "
	"what the kernel reported in the same turn.";

static void free_the_other(struct party *p, unsigned what)
{
	(void)what;
	party_free_now(p->arg);
}

static void disable_the_other(struct party *p, unsigned what)
{
	struct party *other = p->arg;

	(void)what;
	p->act = NULL;
	other->act = NULL;
	assert_int_equal(
		bufferevent_disable(other->bufferevent, EV_READ | EV_WRITE), 0);
}

/* Two that find input in the same turn; each would do `act` to the other. */
static void open_rivals(struct party *a, struct party *b,
			struct reactor *reactor,
			void (*act)(struct party *, unsigned))
{
	party_open(a, reactor);
	party_open(b, reactor);
	a->act = b->act = act;
	a->arg = b;
	b->arg = a;
	party_enable(a, EV_READ);
	party_enable(b, EV_READ);
	harness_spin(reactor, 2);
	harness_send(a->peer, "abc");
	harness_send(b->peer, "abc");
}

static void test_nothing_after_free(void **state)
{
	struct fixture *f = *state;
	struct party a, b;

	harness_quote(nothing_after);
	open_rivals(&a, &b, f->reactor, free_the_other);
	harness_spin(f->reactor, 5);
	assert_int_equal(a.reads + b.reads, 1);
	assert_true((a.bufferevent == NULL) != (b.bufferevent == NULL));
	party_end(&a);
	party_end(&b);
}

static void test_nothing_for_a_disabled_side(void **state)
{
	struct fixture *f = *state;
	struct party a, b, *quiet;

	harness_quote(nothing_after);
	open_rivals(&a, &b, f->reactor, disable_the_other);
	harness_spin(f->reactor, 5);
	assert_int_equal(a.reads + b.reads, 1);
	quiet = a.reads ? &b : &a;
	party_enable(quiet, EV_READ);
	harness_turns(f->reactor, party_has_read, quiet, 10);
	assert_int_equal(party_unread(quiet), 3);
	party_end(&a);
	party_end(&b);
}

static void disable_reading(struct party *p, unsigned what)
{
	(void)what;
	assert_int_equal(bufferevent_disable(p->bufferevent, EV_READ), 0);
}

static void test_no_end_for_a_disabled_side(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(nothing_after);
	party_open(&p, f->reactor);
	/* With writing on, the hang-up would be reported as a loss. */
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	party_enable(&p, EV_READ);
	p.act = disable_reading;
	harness_send(p.peer, "abc");
	party_hang_up(&p);
	harness_turns(f->reactor, party_has_read, &p, 10);
	harness_spin(f->reactor, 5);
	party_expect(&p, "read");
	p.act = NULL;
	party_enable(&p, EV_READ);
	party_await(&p, party_has_failed);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	party_end(&p);
}

static void test_no_write_callback_after_disable(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(nothing_after);
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	party_enable(&p, EV_WRITE);
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_WRITE), 0);
	harness_spin(f->reactor, 5);
	party_expect(&p, "");
	party_peer_gets(&p, "");
	party_end(&p);
}

struct pair_of_watches {
	struct reactor_watch a, b;
	int called;
};

static struct pair_of_watches watches;

static void stop_both(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	watches.called++;
	reactor_watch_stop(&watches.a);
	reactor_watch_stop(&watches.b);
}

static void test_nothing_after_stop(void **state)
{
	struct fixture *f = *state;
	int fd[2];

	harness_quote(nothing_after);
	memset(&watches, 0, sizeof(watches));
	watches.a.ready = watches.b.ready = stop_both;
	harness_pair(fd);
	assert_int_equal(
		reactor_watch_set(f->reactor, &watches.a, fd[0], EV_WRITE), 0);
	assert_int_equal(
		reactor_watch_set(f->reactor, &watches.b, fd[1], EV_WRITE), 0);
	harness_spin(f->reactor, 5);
	assert_int_equal(watches.called, 1);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static struct reactor_timer timers[2];
static int timers_called;

static void stop_both_timers(struct reactor_timer *t)
{
	(void)t;
	timers_called++;
	reactor_timer_stop(&timers[0]);
	reactor_timer_stop(&timers[1]);
}

static bool a_timer_was_called(void *arg)
{
	(void)arg;
	return timers_called > 0;
}

static void test_nothing_after_timer_stop(void **state)
{
	struct fixture *f = *state;

	harness_quote(nothing_after);
	memset(timers, 0, sizeof(timers));
	timers_called = 0;
	timers[0].fire = timers[1].fire = stop_both_timers;
	reactor_timer_start(f->reactor, &timers[0], 1);
	reactor_timer_start(f->reactor, &timers[1], 1);
	harness_turns(f->reactor, a_timer_was_called, NULL, 10);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(timers_called, 1);
}

/* --- No recursion -------------------------------------------------------- */

static const char no_recursion[] =
	"No recursion: a callback never runs inside another one, nor inside a "
	"call of yours";

static int depth, calls;

/* Gives the other end of its own connection all reason to call. */
static void provoke(struct party *p, unsigned what)
{
	struct party *other = p->arg;

	(void)what;
	assert_int_equal(depth, 0);
	if (++calls > 20)
		return;
	depth++;
	bufferevent_write(p->bufferevent, "x", 1);
	bufferevent_flush(p->bufferevent);
	bufferevent_set_read_watermarks(other->bufferevent, 0, 0);
	bufferevent_enable(other->bufferevent, EV_READ | EV_WRITE);
	bufferevent_write(other->bufferevent, "y", 1);
	bufferevent_flush(other->bufferevent);
	bufferevent_enable(p->bufferevent, EV_READ | EV_WRITE);
	depth--;
}

static void test_no_callback_inside_a_callback(void **state)
{
	struct fixture *f = *state;
	struct party a, b;
	int fd[2];

	harness_quote(no_recursion);
	depth = calls = 0;
	harness_pair(fd);
	party_adopt(&a, f->reactor, fd[0], -1);
	party_adopt(&b, f->reactor, fd[1], -1);
	a.act = b.act = provoke;
	a.arg = &b;
	b.arg = &a;
	party_enable(&a, EV_READ | EV_WRITE);
	harness_spin(f->reactor, 20);
	assert_true(calls > 10);
	party_end(&a);
	party_end(&b);
}

static void test_no_callback_inside_a_call(void **state)
{
	struct fixture *f = *state;
	struct party p;
	struct bufferevent *b;

	harness_quote(no_recursion);
	party_open(&p, f->reactor);
	b = p.bufferevent;
	harness_send(p.peer, "abc");
	party_enable(&p, EV_READ | EV_WRITE);
	assert_int_equal(evbuffer_add(bufferevent_get_read(b), "abc", 3), 0);
	party_write(&p, "abc");
	assert_int_equal(bufferevent_flush(b), 0);
	bufferevent_set_read_watermarks(b, 1, 0);
	bufferevent_set_write_watermarks(b, 1, 0);
	bufferevent_set_timeouts(b, 1, 1);
	evbuffer_drain(bufferevent_get_read(b), 1);
	bufferevent_disable(b, EV_READ);
	party_enable(&p, EV_READ | EV_WRITE);
	party_hang_up(&p);
	party_write(&p, "lost");
	bufferevent_flush(b);
	bufferevent_shutdown(b);
	party_expect(&p, "");
	party_free_now(&p);
	party_expect(&p, "");
	party_end(&p);
}

/* --- Turning inside a callback ------------------------------------------- */

static const char deadlock[] =
	"`reactor_run` or `reactor_turn` inside a callback of the same reactor "
	"is `-1`, `EDEADLK`.";

static void turn_inside(struct party *p, unsigned what)
{
	struct reactor *reactor = bufferevent_get_reactor(p->bufferevent);

	(void)what;
	errno = 0;
	assert_int_equal(reactor_run(reactor), -1);
	assert_int_equal(errno, EDEADLK);
	errno = 0;
	assert_int_equal(reactor_turn(reactor, 0), -1);
	assert_int_equal(errno, EDEADLK);
}

static void test_turn_inside_a_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(deadlock);
	party_open(&p, f->reactor);
	p.act = turn_inside;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	/* The turn was not disturbed. */
	p.reads = 0;
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	party_end(&p);
}

static void turn_another(struct party *p, unsigned what)
{
	struct party *other = p->arg;

	(void)what;
	party_await(other, party_has_read);
}

static void test_turn_of_another_inside_a_callback(void **state)
{
	struct fixture *f = *state;
	struct reactor *second = reactor_new(NULL);
	struct party p, other;

	harness_quote(deadlock);
	assert_non_null(second);
	party_open(&p, f->reactor);
	party_open(&other, second);
	p.act = turn_another;
	p.arg = &other;
	party_enable(&p, EV_READ);
	party_enable(&other, EV_READ);
	harness_send(p.peer, "abc");
	harness_send(other.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	assert_int_equal(other.reads, 1);
	party_end(&other);
	party_end(&p);
	reactor_free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_free_in_read_callback),
		harness_test(test_free_in_write_callback),
		harness_test(test_free_in_error_callback),
		harness_test(test_everything_on_this),
		harness_test(test_everything_on_another),
		harness_test(test_free_in_callbacks_of_all_kinds),
		harness_test(test_nothing_after_free),
		harness_test(test_nothing_for_a_disabled_side),
		harness_test(test_no_end_for_a_disabled_side),
		harness_test(test_no_write_callback_after_disable),
		harness_test(test_nothing_after_stop),
		harness_test(test_nothing_after_timer_stop),
		harness_test(test_no_callback_inside_a_callback),
		harness_test(test_no_callback_inside_a_call),
		harness_test(test_turn_inside_a_callback),
		harness_test(test_turn_of_another_inside_a_callback),
	};

	return cmocka_run_group_tests_name("reentry", tests, NULL, NULL);
}
