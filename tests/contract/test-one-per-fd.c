/* SPDX-License-Identifier: MIT */

/*
 * Any fd, second part: one watch or bufferevent for each in a reactor, and a
 * descriptor that was closed too early.
 */

#include <fcntl.h>

#include "party.h"

static const char at_most_one[] =
	"An fd has at most one watch or bufferevent in a reactor: the second "
	"is `EEXIST`, on every backend.";

static int watched;

static void count(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	watched++;
}

static void expect_exists(struct reactor *reactor, int fd)
{
	struct reactor_watch w = { .ready = count };

	errno = 0;
	assert_null(bufferevent_new_on(reactor, fd, party_called, party_called,
				       party_called));
	assert_int_equal(errno, EEXIST);
	errno = 0;
	assert_int_equal(reactor_watch_set(reactor, &w, fd, EV_READ), -1);
	assert_int_equal(errno, EEXIST);
}

static void test_second_beside_a_bufferevent(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most_one);
	party_open(&p, f->reactor);
	expect_exists(f->reactor, p.fd);
	assert_true(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	/* The first was not disturbed. */
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	party_expect(&p, "read");
	party_end(&p);
}

static void test_second_beside_a_watch(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	int fd[2];

	harness_quote(at_most_one);
	watched = 0;
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	expect_exists(f->reactor, fd[0]);
	harness_send(fd[1], "x");
	harness_spin(f->reactor, 2);
	assert_int_equal(watched, 2);
	reactor_watch_stop(&w);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_second_beside_a_regular_file(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most_one);
	party_adopt(&p, f->reactor, open("/dev/null", O_RDWR), -1);
	expect_exists(f->reactor, p.fd);
	party_end(&p);
}

static void test_one_after_the_other(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	struct party p, q;

	harness_quote(at_most_one);
	party_open(&p, f->reactor);
	party_free_now(&p);
	assert_int_equal(reactor_watch_set(f->reactor, &w, p.fd, EV_READ), 0);
	/* The same watch may change what it asks for. */
	assert_int_equal(reactor_watch_set(f->reactor, &w, p.fd, EV_WRITE), 0);
	assert_int_equal(reactor_watch_set(f->reactor, &w, p.fd, 0), 0);
	party_adopt(&q, f->reactor, p.fd, p.peer);
	party_end(&q);
}

static void test_one_in_each_of_two_reactors(void **state)
{
	struct fixture *f = *state;
	struct reactor *second = reactor_new(NULL);
	struct reactor_watch w = { .ready = count };
	struct party p;

	harness_quote(at_most_one);
	assert_non_null(second);
	party_open(&p, f->reactor);
	assert_int_equal(reactor_watch_set(second, &w, p.fd, EV_READ), 0);
	reactor_watch_stop(&w);
	party_end(&p);
	reactor_free(second);
}

static void succeed_itself(struct party *p, unsigned what)
{
	(void)what;
	party_free_now(p);
	p->bufferevent = bufferevent_new_on(p->arg, p->fd, party_called,
					    party_called, party_called);
	assert_non_null(p->bufferevent);
	bufferevent_set_data(p->bufferevent, p);
	p->act = NULL;
	party_enable(p, EV_READ);
}

/* What is freed in a callback is buried later, but its fd is free at once. */
static void test_a_successor_in_the_callback(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(at_most_one);
	party_open(&p, f->reactor);
	p.act = succeed_itself;
	p.arg = f->reactor;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	harness_turns(f->reactor, party_has_read, &p, 10);
	p.reads = 0;
	harness_send(p.peer, "def");
	harness_turns(f->reactor, party_has_read, &p, 10);
	assert_int_equal(party_unread(&p), 3);
	party_end(&p);
}

/* Two watches of which the first that is called puts others in their place. */
static struct {
	struct reactor *reactor;
	struct reactor_watch first[2], second[2];
	int fd[2][2];
	int calls[2];
} relay;

static void second_is_ready(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	relay.calls[1]++;
}

static void first_is_ready(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	relay.calls[0]++;
	for (int i = 0; i < 2; i++) {
		reactor_watch_stop(&relay.first[i]);
		/* Whoever asks now is not told what its predecessor heard. */
		harness_drain(relay.fd[i][0]);
		relay.second[i].ready = second_is_ready;
		assert_int_equal(reactor_watch_set(relay.reactor,
						   &relay.second[i],
						   relay.fd[i][0], EV_READ),
				 0);
	}
}

static void test_a_successor_of_a_watch(void **state)
{
	struct fixture *f = *state;

	harness_quote(at_most_one);
	memset(&relay, 0, sizeof(relay));
	relay.reactor = f->reactor;
	for (int i = 0; i < 2; i++) {
		harness_pair(relay.fd[i]);
		harness_send(relay.fd[i][1], "x");
		relay.first[i].ready = first_is_ready;
		assert_int_equal(reactor_watch_set(f->reactor, &relay.first[i],
						   relay.fd[i][0], EV_READ),
				 0);
	}
	harness_spin(f->reactor, 3);
	assert_int_equal(relay.calls[0], 1);
	assert_int_equal(relay.calls[1], 0);
	harness_send(relay.fd[1][1], "x");
	harness_spin(f->reactor, 1);
	assert_int_equal(relay.calls[1], 1);
	for (int i = 0; i < 2; i++) {
		reactor_watch_stop(&relay.second[i]);
		harness_close(relay.fd[i][0]);
		harness_close(relay.fd[i][1]);
	}
}

/* --- Closed too early ---------------------------------------------------- */

static const char no_use_after_free[] =
	"Close an fd only after freeing its bufferevent or stopping its watch; "
	"epoll carries the fd and not a pointer, and events for unknown fds "
	"are dropped, so a mistake there is no use after free.";

/*
 * The copy keeps the description open, and with it what epoll knows, where
 * nobody can take it away any more.
 */
static void test_closed_before_free(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int copy;

	harness_quote(no_use_after_free);
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 1);
	copy = dup(p.fd);
	assert_true(copy >= 0);
	harness_close(p.fd);
	party_free_now(&p);
	harness_send(p.peer, "abc");
	assert_int_equal(harness_spin(f->reactor, 5), 0);
	party_expect(&p, "");
	p.fd = copy;
	party_end(&p);
}

static void test_closed_before_stop(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	int fd[2], copy;

	harness_quote(no_use_after_free);
	watched = 0;
	harness_pair(fd);
	copy = dup(fd[0]);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	harness_close(fd[0]);
	reactor_watch_stop(&w);
	harness_send(fd[1], "abc");
	assert_int_equal(harness_spin(f->reactor, 5), 0);
	assert_int_equal(watched, 0);
	harness_close(copy);
	harness_close(fd[1]);
}

/* The number goes to another connection: its owner reads nothing of the old. */
static void test_closed_and_used_again(void **state)
{
	struct fixture *f = *state;
	struct party p, q;
	int copy, fd[2];

	harness_quote(no_use_after_free);
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 1);
	copy = dup(p.fd);
	harness_pair(fd);
	assert_int_equal(dup2(fd[0], p.fd), p.fd);
	harness_close(fd[0]);
	party_free_now(&p);
	party_adopt(&q, f->reactor, p.fd, fd[1]);
	party_enable(&q, EV_READ);
	harness_send(p.peer, "old");
	harness_spin(f->reactor, 5);
	party_expect(&q, "");
	harness_send(q.peer, "new!");
	harness_turns(f->reactor, party_has_read, &q, 10);
	assert_int_equal(party_unread(&q), 4);
	party_end(&q);
	p.fd = copy;
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_second_beside_a_bufferevent),
		harness_test(test_second_beside_a_watch),
		harness_test(test_second_beside_a_regular_file),
		harness_test(test_one_after_the_other),
		harness_test(test_one_in_each_of_two_reactors),
		harness_test(test_a_successor_in_the_callback),
		harness_test(test_a_successor_of_a_watch),
		harness_test(test_closed_before_free),
		harness_test(test_closed_before_stop),
		harness_test(test_closed_and_used_again),
	};

	return cmocka_run_group_tests_name("one-per-fd", tests, NULL, NULL);
}
