/* SPDX-License-Identifier: MIT */

/*
 * Running and stopping, second part: reactor_stop(), how long a turn waits,
 * and how much it sends.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "later.h"
#include "party.h"

static int called;

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	called++;
}

static void on_task(struct reactor_task *t)
{
	(void)t;
	called++;
}

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	called++;
}

/* --- Stop ---------------------------------------------------------------- */

static const char ends_callbacks[] =
	"`reactor_stop` ends callbacks after the one that runs, but the turn's "
	"flush and burial still happen; what was not delivered comes in the "
	"next run.";

static void stop_and_write(struct party *p, unsigned what)
{
	(void)what;
	p->act = NULL;
	((struct party *)p->arg)->act = NULL;
	reactor_stop(bufferevent_get_reactor(p->bufferevent));
	party_write(p, "last");
}

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

static void test_stop_ends_callbacks(void **state)
{
	struct fixture *f = *state;
	struct party a, b, *first;

	harness_quote(ends_callbacks);
	open_rivals(&a, &b, f->reactor, stop_and_write);
	assert_int_equal(reactor_run(f->reactor), 1);
	assert_int_equal(a.reads + b.reads, 1);
	assert_int_equal(a.writes + b.writes, 0);
	first = a.reads ? &a : &b;
	/* The turn's flush has happened. */
	party_peer_gets(first, "last");
	/* The rest comes in the next run: the other's input, its own write. */
	assert_int_equal(later_run(f->reactor), 1);
	assert_int_equal(a.reads, 1);
	assert_int_equal(b.reads, 1);
	assert_int_equal(first->writes, 1);
	party_end(&a);
	party_end(&b);
}

static void stop_and_write_to_all(struct party *p, unsigned what)
{
	struct party *other = p->arg;

	(void)what;
	p->act = other->act = NULL;
	reactor_stop(bufferevent_get_reactor(p->bufferevent));
	party_write(p, "last");
	party_write(other, "last");
}

/* One of them has been called, and the other still waits for that. */
static void test_stop_sends_for_all(void **state)
{
	struct fixture *f = *state;
	struct party a, b;

	harness_quote(ends_callbacks);
	open_rivals(&a, &b, f->reactor, stop_and_write_to_all);
	assert_int_equal(reactor_run(f->reactor), 1);
	assert_int_equal(a.reads + b.reads, 1);
	party_peer_gets(&a, "last");
	party_peer_gets(&b, "last");
	assert_int_equal(a.writes + b.writes, 0);
	/* And nothing that was to be called for is forgotten. */
	assert_int_equal(later_run(f->reactor), 1);
	assert_int_equal(a.reads, 1);
	assert_int_equal(b.reads, 1);
	assert_int_equal(a.writes, 1);
	assert_int_equal(b.writes, 1);
	party_end(&a);
	party_end(&b);
}

/* A turn that is stopped before it begins calls nothing, but it sends. */
static void test_stop_before_a_turn_sends(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(ends_callbacks);
	party_open(&p, f->reactor);
	harness_spin(f->reactor, 2);
	party_write(&p, "abc");
	/* It has a callback to wait for: both sides are asked for one. */
	assert_int_equal(
		evbuffer_add(bufferevent_get_read(p.bufferevent), "x", 1), 0);
	party_enable(&p, EV_READ | EV_WRITE);
	reactor_stop(f->reactor);
	assert_int_equal(reactor_turn(f->reactor, 0), 0);
	party_expect(&p, "");
	party_peer_gets(&p, "abc");
	harness_spin(f->reactor, 2);
	party_expect(&p, "read write");
	party_end(&p);
}

/* A file is always ready, so it stands among those that are to be read. */
static void test_stop_before_a_turn_sends_to_a_file(void **state)
{
	struct fixture *f = *state;
	FILE *file = tmpfile();
	struct stat is;
	struct party p;

	harness_quote(ends_callbacks);
	assert_non_null(file);
	party_adopt(&p, f->reactor, fileno(file), -1);
	party_enable(&p, EV_READ);
	party_write(&p, "abc");
	reactor_stop(f->reactor);
	assert_int_equal(reactor_turn(f->reactor, 0), 0);
	party_expect(&p, "");
	assert_int_equal(fstat(p.fd, &is), 0);
	assert_int_equal(is.st_size, 3);
	p.fd = -1;
	party_end(&p);
	fclose(file);
}

static void stop_and_free(struct party *p, unsigned what)
{
	(void)what;
	p->act = NULL;
	((struct party *)p->arg)->act = NULL;
	reactor_stop(bufferevent_get_reactor(p->bufferevent));
	bufferevent_own_fd(p->bufferevent, true);
	party_free_now(p);
}

static void test_stop_buries(void **state)
{
	struct fixture *f = *state;
	struct party a, b, *gone;

	harness_quote(ends_callbacks);
	open_rivals(&a, &b, f->reactor, stop_and_free);
	assert_int_equal(reactor_run(f->reactor), 1);
	gone = a.bufferevent ? &b : &a;
	assert_null(gone->bufferevent);
	assert_int_equal(fcntl(gone->fd, F_GETFD), -1);
	gone->fd = -1;
	party_end(&a);
	party_end(&b);
}

static void test_undelivered_keeps_waiting(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = on_timer };
	struct reactor_task task = { .run = on_task };
	struct party a, b;

	harness_quote(ends_callbacks);
	called = 0;
	open_rivals(&a, &b, f->reactor, stop_and_write);
	reactor_timer_start(f->reactor, &t, 0);
	reactor_post(f->reactor, &task);
	assert_int_equal(reactor_run(f->reactor), 1);
	assert_int_equal(called, 0);
	harness_spin(f->reactor, 1);
	assert_int_equal(called, 2);
	assert_int_equal(a.reads + b.reads, 2);
	party_end(&a);
	party_end(&b);
}

static void test_stop_before_run(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("Stop before run makes that run return 1.");
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	reactor_stop(f->reactor);
	assert_int_equal(reactor_run(f->reactor), 1);
	party_expect(&p, "");
	/* That run only. */
	assert_int_equal(later_run(f->reactor), 1);
	party_expect(&p, "read");
	assert_int_equal(bufferevent_disable(p.bufferevent, EV_READ), 0);
	assert_int_equal(reactor_run(f->reactor), 0);
	party_end(&p);
}

static void test_stop_before_a_turn(void **state)
{
	struct fixture *f = *state;
	struct reactor_task task = { .run = on_task };
	uint64_t begin = harness_now_ms();

	harness_quote("Stop before run makes that run return 1.");
	called = 0;
	reactor_post(f->reactor, &task);
	reactor_stop(f->reactor);
	reactor_stop(f->reactor);
	assert_int_equal(reactor_turn(f->reactor, 0), 0);
	assert_int_equal(called, 0);
	assert_int_equal(reactor_turn(f->reactor, 0), 1);
	assert_int_equal(called, 1);
	assert_int_equal(reactor_run(f->reactor), 0);
	/* Nor is there a wait in it. */
	reactor_stop(f->reactor);
	assert_int_equal(reactor_turn(f->reactor, 10000), 0);
	assert_true(harness_now_ms() - begin < 5000);
}

/* --- How long a turn waits ----------------------------------------------- */

static const char without_limit[] = "`timeout_ms` -1 waits without limit";

struct letter {
	struct reactor *reactor;
	struct reactor_task task;
};

static void post_letter(void *arg)
{
	struct letter *letter = arg;

	reactor_post(letter->reactor, &letter->task);
}

static void test_wait_without_limit(void **state)
{
	struct fixture *f = *state;
	struct letter letter = { .reactor = f->reactor, .task.run = on_task };
	struct later later;
	uint64_t begin = harness_now_ms();

	harness_quote(without_limit);
	called = 0;
	later_begin(&later, 50, post_letter, &letter);
	for (int i = 0; i < 3 && called == 0; i++)
		assert_true(reactor_turn(f->reactor, -1) >= 0);
	later_end(&later);
	assert_int_equal(called, 1);
	assert_true(harness_now_ms() - begin >= 50);
}

static void test_wait_until_a_timer(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = on_timer };
	uint64_t begin = harness_now_ms();

	harness_quote(without_limit);
	called = 0;
	reactor_timer_start(f->reactor, &t, 30);
	for (int i = 0; i < 10 && called == 0; i++)
		assert_true(reactor_turn(f->reactor, -1) >= 0);
	assert_int_equal(called, 1);
	assert_true(harness_now_ms() - begin >= 30);
}

static void test_wait_as_long_as_asked(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = harness_now_ms();

	harness_quote(without_limit);
	assert_int_equal(reactor_turn(f->reactor, 30), 0);
	assert_true(harness_now_ms() - begin >= 29);
}

static void nothing(int signo)
{
	(void)signo;
}

static void interrupt(void *thread)
{
	pthread_kill(*(pthread_t *)thread, SIGUSR2);
}

static void test_interrupted_wait(void **state)
{
	struct fixture *f = *state;
	struct sigaction action = { .sa_handler = nothing }, before;
	pthread_t self = pthread_self();
	struct later later;

	harness_quote("`EINTR` is no failure");
	sigaction(SIGUSR2, &action, &before);
	later_begin(&later, 20, interrupt, &self);
	assert_int_equal(reactor_turn(f->reactor, 200), 0);
	later_end(&later);
	reactor_hold(f->reactor);
	later_begin(&later, 20, interrupt, &self);
	/* Neither does it end a run. */
	assert_int_equal(later_run(f->reactor), 1);
	later_end(&later);
	reactor_release(f->reactor);
	sigaction(SIGUSR2, &before, NULL);
}

static const char no_wait[] =
	"with anything queued, due or always-ready the wait's timeout is 0.";

/* A turn that could wait for long does not. */
static void expect_no_wait(struct reactor *reactor)
{
	uint64_t begin = harness_now_ms();

	assert_true(reactor_turn(reactor, 5000) >= 0);
	assert_true(harness_now_ms() - begin < 2500);
}

static void test_no_wait_when_queued(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(no_wait);
	party_open(&p, f->reactor);
	harness_spin(f->reactor, 1);
	party_write(&p, "abc");
	expect_no_wait(f->reactor);
	party_peer_gets(&p, "abc");
	party_end(&p);
}

static void test_no_wait_when_due(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = on_timer };
	struct reactor_task task = { .run = on_task };
	struct party p;

	harness_quote(no_wait);
	called = 0;
	reactor_timer_start(f->reactor, &t, 0);
	expect_no_wait(f->reactor);
	assert_int_equal(called, 1);
	reactor_post(f->reactor, &task);
	expect_no_wait(f->reactor);
	assert_int_equal(called, 2);
	party_open(&p, f->reactor);
	party_enable(&p, EV_WRITE);
	expect_no_wait(f->reactor);
	party_expect(&p, "write");
	assert_int_equal(
		evbuffer_add(bufferevent_get_read(p.bufferevent), "abc", 3), 0);
	party_enable(&p, EV_READ);
	expect_no_wait(f->reactor);
	party_expect(&p, "write read");
	party_end(&p);
}

static void test_no_wait_when_always_ready(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = on_watch };
	int fd = open("/dev/null", O_RDWR);

	harness_quote(no_wait);
	called = 0;
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd, EV_READ), 0);
	expect_no_wait(f->reactor);
	expect_no_wait(f->reactor);
	assert_int_equal(called, 2);
	reactor_watch_stop(&w);
	harness_close(fd);
}

static void test_output_that_is_blocked_waits(void **state)
{
	struct fixture *f = *state;
	struct party p;
	uint64_t begin;
	int turns = 0;

	harness_quote(no_wait);
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write(&p, "abc");
	harness_spin(f->reactor, 2);
	begin = harness_now_ms();
	while (harness_now_ms() - begin < 60 && turns < 1000) {
		assert_true(reactor_turn(f->reactor, 20) >= 0);
		turns++;
	}
	assert_true(turns < 20);
	party_end(&p);
}

/* --- How much a turn sends ----------------------------------------------- */

static const char flushes[] =
	"A turn flushes at most twice, and the 64 KiB cover both.";

static void write_more(struct party *p, unsigned what)
{
	(void)what;
	party_write_zeros(p, *(size_t *)p->arg);
}

static void open_producer(struct party *p, struct reactor *reactor,
			  size_t *more)
{
	int size = 1024 * 1024;

	party_open(p, reactor);
	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size,
				    sizeof(size)),
			 0);
	p->act = write_more;
	p->arg = more;
	party_write_zeros(p, *more);
}

static void test_two_flushes(void **state)
{
	struct fixture *f = *state;
	size_t more = 10;
	struct party p;

	harness_quote(flushes);
	open_producer(&p, f->reactor, &more);
	harness_spin(f->reactor, 1);
	/* What the callback queues goes, too, and then it is enough. */
	assert_int_equal(harness_drain(p.peer), 20);
	assert_in_range(p.writes, 1, 2);
	for (int i = 0; i < 5; i++) {
		p.writes = 0;
		harness_spin(f->reactor, 1);
		assert_in_range(p.writes, 1, 2);
		assert_in_range(harness_drain(p.peer), 10, 20);
	}
	party_end(&p);
}

static void test_limit_covers_both(void **state)
{
	struct fixture *f = *state;
	size_t more = (size_t)40 * 1024;
	struct party p;

	harness_quote(flushes);
	open_producer(&p, f->reactor, &more);
	for (int i = 0; i < 5; i++) {
		harness_spin(f->reactor, 1);
		assert_in_range(harness_drain(p.peer), 1, 64 * 1024);
	}
	party_end(&p);
}

static void test_max_transfer_covers_both(void **state)
{
	struct fixture *f = *state;
	size_t more = 600;
	struct party p;

	harness_quote(flushes);
	open_producer(&p, f->reactor, &more);
	bufferevent_set_max_transfer(p.bufferevent, 1000);
	for (int i = 0; i < 5; i++) {
		harness_spin(f->reactor, 1);
		assert_in_range(harness_drain(p.peer), 1, 1000);
	}
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_stop_ends_callbacks),
		harness_test(test_stop_sends_for_all),
		harness_test(test_stop_before_a_turn_sends),
		harness_test(test_stop_before_a_turn_sends_to_a_file),
		harness_test(test_stop_buries),
		harness_test(test_undelivered_keeps_waiting),
		harness_test(test_stop_before_run),
		harness_test(test_stop_before_a_turn),
		harness_test(test_wait_without_limit),
		harness_test(test_wait_until_a_timer),
		harness_test(test_wait_as_long_as_asked),
		harness_test(test_interrupted_wait),
		harness_test(test_no_wait_when_queued),
		harness_test(test_no_wait_when_due),
		harness_test(test_no_wait_when_always_ready),
		harness_test(test_output_that_is_blocked_waits),
		harness_test(test_two_flushes),
		harness_test(test_limit_covers_both),
		harness_test(test_max_transfer_covers_both),
	};

	return cmocka_run_group_tests_name("stopping", tests, NULL, NULL);
}
