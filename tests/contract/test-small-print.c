/* SPDX-License-Identifier: MIT */

/*
 * What the headers say in passing: NULL where it is allowed, values out of
 * range, and what a call does to something that is elsewhere already.
 */

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>

#include "party.h"

/* --- Bufferevents -------------------------------------------------------- */

static void test_nothing_to_finish(void **state)
{
	(void)state;
	harness_quote("and the bufferevent is not yours to use; NULL is fine.");
	bufferevent_finish(NULL);
	bufferevent_free(NULL);
}

/* A borrowed descriptor goes back with what nobody has read. */
static void test_finish_leaves_the_input(void **state)
{
	struct fixture *f = *state;
	char got[4] = "";
	struct party p;

	party_open(&p, f->reactor);
	harness_send(p.peer, "abc");
	party_write(&p, "bye");
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	harness_spin(f->reactor, 3);
	assert_int_equal(harness_drain(p.peer), 3);
	assert_int_equal(recv(p.fd, got, sizeof(got), MSG_DONTWAIT), 3);
	assert_string_equal(got, "abc");
	party_end(&p);
}

/* As it was found, also where the reactor has gone before. */
static void test_blocking_again(void **state)
{
	struct reactor *other = reactor_new(NULL);
	struct party p;

	(void)state;
	assert_non_null(other);
	party_open(&p, other);
	assert_true(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	reactor_free(other);
	party_free_now(&p);
	assert_false(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	party_end(&p);
}

static void test_marks_nobody_asked_for(void **state)
{
	struct fixture *f = *state;
	struct party p;
	size_t low, high;

	harness_quote("What was set; either pointer may be NULL.");
	party_open(&p, f->reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 3, 9),
			 0);
	bufferevent_get_read_watermarks(p.bufferevent, &low, NULL);
	bufferevent_get_read_watermarks(p.bufferevent, NULL, &high);
	assert_int_equal(low, 3);
	assert_int_equal(high, 9);
	bufferevent_get_write_watermarks(p.bufferevent, NULL, NULL);
	party_end(&p);
}

static void test_both_sides_in_one_turn(void **state)
{
	struct fixture *f = *state;
	struct party p;

	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 1);
	harness_send(p.peer, "x");
	assert_int_equal(bufferevent_set_write_watermarks(p.bufferevent, 0, 0),
			 0);
	assert_int_equal(reactor_turn(f->reactor, 0), 2);
	assert_string_equal(p.log, "read write");
	party_end(&p);
}

static void test_what_nobody_says(void **state)
{
	(void)state;
	harness_quote("for logs; never NULL, never to be freed.");
	assert_string_equal(bufferevent_what_string(0), "none");
	assert_string_equal(bufferevent_what_string(EVBUFFER_READ |
						    EVBUFFER_EOF |
						    EVBUFFER_ERROR),
			    "unknown");
	assert_string_equal(bufferevent_what_string(UINT_MAX), "unknown");
}

static void test_the_most_is_more_than_there_is(void **state)
{
	struct fixture *f = *state;
	struct party p;

	party_open(&p, f->reactor);
	bufferevent_set_max_transfer(p.bufferevent, SIZE_MAX);
	party_enable(&p, EV_READ);
	party_write(&p, "hello");
	harness_send(p.peer, "hello");
	harness_spin(f->reactor, 2);
	assert_int_equal(party_unread(&p), 5);
	assert_int_equal(harness_drain(p.peer), 5);
	party_end(&p);
}

static void test_no_buffer_after_shutdown(void **state)
{
	struct fixture *f = *state;
	struct evbuffer *more = evbuffer_new();
	struct party p;

	assert_non_null(more);
	party_open(&p, f->reactor);
	assert_int_equal(evbuffer_add(more, "tail", 4), 0);
	assert_int_equal(bufferevent_shutdown(p.bufferevent), 0);
	errno = 0;
	assert_int_equal(bufferevent_write_buffer(p.bufferevent, more), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(evbuffer_get_length(more), 4);
	evbuffer_free(more);
	party_end(&p);
}

/* A limit on what is queued is any; one on what is read leaves it its low. */
static void test_limits_of_the_two_buffers(void **state)
{
	struct fixture *f = *state;
	struct evbuffer *in, *out;
	struct party p;

	party_open(&p, f->reactor);
	in = bufferevent_get_read(p.bufferevent);
	out = bufferevent_get_write(p.bufferevent);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 4, 0),
			 0);
	assert_int_equal(bufferevent_set_write_watermarks(p.bufferevent, 4, 0),
			 0);
	errno = 0;
	assert_int_equal(evbuffer_set_limit(in, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(evbuffer_set_limit(in, 4), 0);
	assert_int_equal(evbuffer_set_limit(in, 0), 0);
	assert_int_equal(evbuffer_set_limit(out, 3), 0);
	assert_int_equal(bufferevent_write(p.bufferevent, "four", 4), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(bufferevent_write(p.bufferevent, "two", 3), 0);
	party_end(&p);
}

/* Of a limit and a high mark the nearer one counts, also with bytes held. */
static void test_the_nearer_of_mark_and_limit(void **state)
{
	static const char hundred[100];
	struct fixture *f = *state;
	struct party p;

	party_open(&p, f->reactor);
	assert_int_equal(evbuffer_set_limit(bufferevent_get_read(p.bufferevent),
					    150),
			 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 100),
			 0);
	party_enable(&p, EV_READ);
	assert_int_equal(write(p.peer, hundred, 60), 60);
	harness_spin(f->reactor, 2);
	assert_int_equal(party_unread(&p), 60);
	assert_int_equal(write(p.peer, hundred, 100), 100);
	harness_spin(f->reactor, 2);
	assert_int_equal(party_unread(&p), 100);
	party_end(&p);
}

static void test_marks_that_meet(void **state)
{
	struct fixture *f = *state;
	struct party p;
	size_t low, high;

	harness_quote("or -1 with EINVAL where high is not 0 and below low.");
	party_open(&p, f->reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 7, 7),
			 0);
	assert_int_equal(bufferevent_set_write_watermarks(p.bufferevent, 8, 8),
			 0);
	bufferevent_get_read_watermarks(p.bufferevent, &low, &high);
	assert_true(low == 7 && high == 7);
	bufferevent_get_write_watermarks(p.bufferevent, &low, &high);
	assert_true(low == 8 && high == 8);
	party_end(&p);
}

/* --- Evbuffers ----------------------------------------------------------- */

static void test_no_such_end_of_line(void **state)
{
	const enum evbuffer_eol none = (enum evbuffer_eol)99;
	struct evbuffer *b = evbuffer_new();
	size_t length = 7;

	(void)state;
	assert_non_null(b);
	assert_int_equal(evbuffer_add(b, "a\nb", 3), 0);
	errno = 0;
	assert_int_equal(evbuffer_search_eol(b, 0, none, &length), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(length, 7);
	errno = 0;
	assert_null(evbuffer_readln(b, &length, none));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(length, 0);
	/* Behind the last byte there may be none; further on is no place. */
	assert_int_equal(evbuffer_search_eol(b, 3, EVBUFFER_EOL_LF, NULL), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(evbuffer_search_eol(b, 4, EVBUFFER_EOL_LF, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(evbuffer_get_length(b), 3);
	evbuffer_free(b);
}

static void test_a_socket_without_a_peer(void **state)
{
	struct evbuffer *b = evbuffer_new();
	int fd[2];

	(void)state;
	assert_non_null(b);
	harness_pair(fd);
	harness_close(fd[1]);
	assert_int_equal(evbuffer_add(b, "lost", 4), 0);
	errno = 0;
	assert_int_equal(evbuffer_write(b, fd[0], SIZE_MAX), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(evbuffer_get_length(b), 4);
	harness_close(fd[0]);
	evbuffer_free(b);
}

/* --- Addresses ----------------------------------------------------------- */

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *address, socklen_t length,
		     void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	harness_close(fd);
}

static void test_an_address_too_long(void **state)
{
	struct fixture *f = *state;
	union {
		struct sockaddr plain;
		struct sockaddr_un local;
		char bytes[sizeof(struct sockaddr_un) + 1];
	} a = { .local = { .sun_family = AF_UNIX, .sun_path = "/tmp/x" } };

	errno = 0;
	assert_null(bufferevent_listen(f->reactor, &a.plain, sizeof(a), 0,
				       accepted, NULL));
	assert_int_equal(errno, EINVAL);
	/* Nor one with no path: the kernel would make one up. */
	errno = 0;
	assert_null(bufferevent_listen(f->reactor, &a.plain,
				       offsetof(struct sockaddr_un, sun_path),
				       0, accepted, NULL));
	assert_int_equal(errno, EINVAL);
}

/* --- Reactors ------------------------------------------------------------ */

static int fired;

static void fire(struct reactor_timer *t)
{
	(void)t;
	fired++;
}

/* A timer belongs to the reactor that started it last. */
static void test_a_timer_moves(void **state)
{
	struct fixture *f = *state;
	struct reactor *other = reactor_new(NULL);
	struct reactor_timer t = { .fire = fire };

	assert_non_null(other);
	fired = 0;
	reactor_timer_start(f->reactor, &t, 0);
	reactor_timer_start(other, &t, 0);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(fired, 0);
	assert_int_equal(reactor_run(other), 0);
	assert_int_equal(fired, 1);
	reactor_free(other);
}

static void run(struct reactor_task *t)
{
	(void)t;
	fired++;
}

/* A task that never ran is free again when its reactor goes. */
static void test_a_task_moves(void **state)
{
	struct fixture *f = *state;
	struct reactor *other = reactor_new(NULL);
	struct reactor_task t = { .run = run };

	assert_non_null(other);
	fired = 0;
	reactor_post(other, &t);
	reactor_free(other);
	assert_int_equal(harness_spin(f->reactor, 1), 0);
	reactor_post(f->reactor, &t);
	assert_int_equal(harness_spin(f->reactor, 1), 1);
	assert_int_equal(fired, 1);
}

/* So far away that no clock gets there; until then others are waited for. */
static void test_a_timer_beyond_all_time(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer far = { .fire = fire }, near = { .fire = fire };
	struct party p;

	fired = 0;
	reactor_timer_start(f->reactor, &far, UINT64_MAX);
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "x");
	assert_int_equal(reactor_turn(f->reactor, -1), 1);
	harness_send(p.peer, "y");
	assert_int_equal(reactor_turn(f->reactor, -1), 1);
	assert_string_equal(p.log, "read read");
	reactor_timer_start(f->reactor, &near, 1);
	assert_int_equal(reactor_turn(f->reactor, -1), 1);
	assert_int_equal(fired, 1);
	reactor_timer_stop(&far);
	party_end(&p);
}

static int stopped_after;

static void stop(struct reactor_watch *w, unsigned events)
{
	(void)events;
	stopped_after++;
	reactor_stop(w->reactor);
}

/* Of two that are ready one stops: the other one is called in the next run. */
static void test_a_stop_between_two_watches(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w[2] = { { .ready = stop }, { .ready = stop } };
	int fd[2][2];

	for (int i = 0; i < 2; i++) {
		harness_pair(fd[i]);
		harness_send(fd[i][1], "x");
		assert_int_equal(reactor_watch_set(f->reactor, &w[i], fd[i][0],
						   EV_READ),
				 0);
	}
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(reactor_run(f->reactor), 1);
		assert_int_equal(stopped_after, i);
	}
	for (int i = 0; i < 2; i++) {
		reactor_watch_stop(&w[i]);
		harness_close(fd[i][0]);
		harness_close(fd[i][1]);
	}
}

static void stop_at_first(struct party *p, unsigned what)
{
	(void)what;
	if (p->scribe->reads++ == 0)
		reactor_stop(p->arg);
}

/* Of three one is called; more comes for another before the next run. */
static void test_more_comes_after_a_stop(void **state)
{
	struct fixture *f = *state;
	struct party scribe = { .reads = 0 }, p[3];

	for (int i = 0; i < 3; i++) {
		party_open(&p[i], f->reactor);
		p[i].scribe = &scribe;
		p[i].act = stop_at_first;
		p[i].arg = f->reactor;
		party_enable(&p[i], EV_READ);
	}
	harness_spin(f->reactor, 1);
	for (int i = 0; i < 3; i++)
		harness_send(p[i].peer, "x");
	assert_int_equal(reactor_run(f->reactor), 1);
	assert_int_equal(scribe.reads, 1);
	for (int i = 0; i < 3; i++)
		if (p[i].reads == 0) {
			harness_send(p[i].peer, "y");
			break;
		}
	assert_int_equal(reactor_turn(f->reactor, 0), 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(p[i].reads, 1);
	assert_int_equal(reactor_turn(f->reactor, 0), 0);
	for (int i = 0; i < 3; i++)
		party_end(&p[i]);
}

static int last_signal, signals;

static void caught(struct reactor_signal *s, int signo)
{
	(void)s;
	last_signal = signo;
	signals++;
}

static void test_one_of_two_signals(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal one = { .caught = caught };
	struct reactor_signal two = { .caught = caught };

	assert_int_equal(reactor_signal_start(f->reactor, &one, SIGUSR1), 0);
	assert_int_equal(reactor_signal_start(f->reactor, &two, SIGUSR2), 0);
	/* Started already: the same is fine, another number is not. */
	assert_int_equal(reactor_signal_start(f->reactor, &two, SIGUSR2), 0);
	errno = 0;
	assert_int_equal(reactor_signal_start(f->reactor, &two, SIGUSR1), -1);
	assert_int_equal(errno, EINVAL);
	signals = 0;
	raise(SIGUSR2);
	harness_spin(f->reactor, 2);
	assert_int_equal(signals, 1);
	assert_int_equal(last_signal, SIGUSR2);
	reactor_signal_stop(&one);
	reactor_signal_stop(&two);
}

/* Signals are bits of a set, and this is the lowest. */
static void test_the_first_signal(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal first = { .caught = caught };

	assert_int_equal(reactor_signal_start(f->reactor, &first, 1), 0);
	signals = 0;
	raise(1);
	harness_spin(f->reactor, 2);
	assert_int_equal(signals, 1);
	assert_int_equal(last_signal, 1);
	reactor_signal_stop(&first);
}

static void test_the_shortest_wait(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = harness_now_ms();

	assert_int_equal(reactor_turn(f->reactor, 1), 0);
	assert_true(harness_now_ms() >= begin + 1);
}

/* --- Many ---------------------------------------------------------------- */

enum { MANY = 150 };

/* More than one batch has something to send, and more than two. */
static void test_a_broadcast_to_many(void **state)
{
	static struct party p[MANY];
	struct fixture *f = *state;

	for (int i = 0; i < MANY; i++) {
		party_open(&p[i], f->reactor);
		party_write(&p[i], "all");
	}
	harness_spin(f->reactor, 1);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(harness_drain(p[i].peer), 3);
		assert_int_equal(party_unsent(&p[i]), 0);
		party_end(&p[i]);
	}
}

/* They are all ready at once, however many a wait reports. */
static void test_many_files(void **state)
{
	static struct party p[MANY];
	struct fixture *f = *state;
	char name[] = "/tmp/bufev-test-XXXXXX";
	int fd = mkstemp(name);

	assert_int_equal(write(fd, "data", 4), 4);
	harness_close(fd);
	for (int i = 0; i < MANY; i++) {
		fd = open(name, O_RDONLY | O_CLOEXEC);
		assert_return_code(fd, errno);
		party_adopt(&p[i], f->reactor, fd, -1);
		party_enable(&p[i], EV_READ);
	}
	assert_return_code(unlink(name), errno);
	harness_spin(f->reactor, 5);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(party_unread(&p[i]), 4);
		party_end(&p[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_nothing_to_finish),
		harness_test(test_finish_leaves_the_input),
		harness_test(test_blocking_again),
		harness_test(test_marks_nobody_asked_for),
		harness_test(test_both_sides_in_one_turn),
		harness_test(test_what_nobody_says),
		harness_test(test_the_most_is_more_than_there_is),
		harness_test(test_no_buffer_after_shutdown),
		harness_test(test_limits_of_the_two_buffers),
		harness_test(test_the_nearer_of_mark_and_limit),
		harness_test(test_marks_that_meet),
		harness_test(test_no_such_end_of_line),
		harness_test(test_a_socket_without_a_peer),
		harness_test(test_an_address_too_long),
		harness_test(test_a_timer_moves),
		harness_test(test_a_task_moves),
		harness_test(test_a_timer_beyond_all_time),
		harness_test(test_a_stop_between_two_watches),
		harness_test(test_more_comes_after_a_stop),
		harness_test(test_one_of_two_signals),
		harness_test(test_the_first_signal),
		harness_test(test_the_shortest_wait),
		harness_test(test_a_broadcast_to_many),
		harness_test(test_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
