/* SPDX-License-Identifier: MIT */

/*
 * Bad input, second part: memory that runs out.  Each call is tried with no
 * allocation that succeeds, then with one, and so on, until it has enough;
 * every time before, it must say ENOMEM and have changed nothing.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include "party.h"

static const char out_of_memory[] =
	"Out of memory anywhere: `ENOMEM`, the data that was there is still "
	"there, and the reactor goes on.";

/* Allocations that still succeed; -1: all. */
static long allowance = -1;
static long blocks;

static void *scarce_realloc(void *p, size_t n)
{
	void *q;

	if (allowance == 0)
		return NULL;
	q = realloc(p, n);
	if (!q)
		return NULL;
	if (allowance > 0)
		allowance--;
	if (!p)
		blocks++;
	return q;
}

static void scarce_free(void *p)
{
	blocks--;
	free(p);
}

/* What is tried; it returns whether it succeeded, and undoes it. */
typedef bool attempt(void *arg);

/* How often it failed before it had enough. */
static int try_until_enough(attempt *act, void *arg)
{
	long before = blocks;

	for (int enough = 0; enough < 50; enough++) {
		bool succeeded;
		int said;

		allowance = enough;
		errno = 0;
		succeeded = act(arg);
		said = errno;
		allowance = -1;
		if (succeeded)
			return enough;
		assert_int_equal(said, ENOMEM);
		/* What failed holds nothing. */
		assert_true(blocks <= before);
	}
	fail_msg("never enough");
	return -1;
}

/* --- What is made -------------------------------------------------------- */

static bool make_reactor(void *arg)
{
	struct reactor *r = reactor_new(NULL);

	(void)arg;
	if (r)
		reactor_free(r);
	return r != NULL;
}

static bool make_buffer(void *arg)
{
	struct evbuffer *b = evbuffer_new();

	(void)arg;
	if (b)
		evbuffer_free(b);
	return b != NULL;
}

struct place {
	struct reactor *reactor;
	int fd;
};

static bool make_bufferevent(void *arg)
{
	struct place *at = arg;
	struct bufferevent *b = bufferevent_new_on(
		at->reactor, at->fd, party_called, party_called, party_called);
	int said = errno, flags = fcntl(at->fd, F_GETFL);

	assert_int_equal((flags & O_NONBLOCK) != 0, b != NULL);
	bufferevent_free(b);
	errno = said;
	return b != NULL;
}

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

static bool make_watch(void *arg)
{
	struct place *at = arg;
	struct reactor_watch w = { .ready = on_watch };
	int result = reactor_watch_set(at->reactor, &w, at->fd, EV_READ);

	reactor_watch_stop(&w);
	return result == 0;
}

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	(void)l;
	(void)fd;
	(void)address;
	(void)length;
	(void)data;
}

static bool make_listener(void *arg)
{
	struct place *at = arg;
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct bufferevent_listener *l;

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l = bufferevent_listen(at->reactor, (struct sockaddr *)&any,
			       sizeof(any), 0, on_accept, NULL);
	bufferevent_listener_free(l);
	return l != NULL;
}

static bool make_connection(void *arg)
{
	struct place *at = arg;
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_port = htons(9) };
	struct bufferevent *b;

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b = bufferevent_connect(at->reactor, (struct sockaddr *)&any,
				sizeof(any), party_called, party_called,
				party_called);
	bufferevent_free(b);
	return b != NULL;
}

/* Each on a reactor that has no room yet for a descriptor of that number. */
static void try_on_a_new_reactor(attempt *act)
{
	struct place at = { .reactor = reactor_new(NULL) };
	int fd[2];

	assert_non_null(at.reactor);
	harness_pair(fd);
	at.fd = fd[0];
	try_until_enough(act, &at);
	assert_int_equal(reactor_run(at.reactor), 0);
	reactor_free(at.reactor);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_what_is_made(void **state)
{
	(void)state;
	harness_quote(out_of_memory);
	assert_true(try_until_enough(make_reactor, NULL) > 0);
	assert_true(try_until_enough(make_buffer, NULL) > 0);
	try_on_a_new_reactor(make_bufferevent);
	try_on_a_new_reactor(make_watch);
	try_on_a_new_reactor(make_listener);
	try_on_a_new_reactor(make_connection);
}

/* --- What is added ------------------------------------------------------- */

enum { BIG = 100000 };

static const char big[BIG];

static bool add_big(void *arg)
{
	return evbuffer_add(arg, big, BIG) == 0;
}

static bool prepend_big(void *arg)
{
	return evbuffer_prepend(arg, big, BIG) == 0;
}

static bool print_big(void *arg)
{
	return evbuffer_add_printf(arg, "%100000d", 1) == BIG;
}

static bool expand_big(void *arg)
{
	return evbuffer_expand(arg, BIG) == 0;
}

static bool reserve_big(void *arg)
{
	struct iovec v[2];

	return evbuffer_reserve(arg, BIG, v) > 0;
}

static bool pieces_big(void *arg)
{
	struct iovec v[3];

	for (int i = 0; i < 3; i++) {
		v[i].iov_base = (void *)(uintptr_t)big;
		v[i].iov_len = BIG;
	}
	return evbuffer_add_iovec(arg, v, 3) == 0;
}

static bool move_big(void *arg)
{
	struct evbuffer *source = evbuffer_new();
	long kept = allowance;
	bool moved;
	int said;

	/* The source is made in plenty; only the move is tried. */
	if (!source)
		return false;
	allowance = -1;
	assert_int_equal(evbuffer_add(source, big, BIG), 0);
	allowance = kept;
	moved = evbuffer_add_buffer(arg, source) == 0;
	said = errno;
	assert_int_equal(evbuffer_get_length(source), moved ? 0 : BIG);
	evbuffer_free(source);
	errno = said;
	return moved;
}

static void test_what_is_added(void **state)
{
	static attempt *const attempts[] = { add_big,	  prepend_big,
					     print_big,	  expand_big,
					     reserve_big, pieces_big,
					     move_big };
	struct evbuffer *b;

	(void)state;
	harness_quote(out_of_memory);
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		b = evbuffer_new();
		assert_non_null(b);
		assert_int_equal(evbuffer_add(b, "abc", 3), 0);
		allowance = 0;
		errno = 0;
		if (attempts[i] != move_big) {
			assert_false(attempts[i](b));
			assert_int_equal(errno, ENOMEM);
		}
		allowance = -1;
		assert_int_equal(evbuffer_get_length(b), 3);
		assert_memory_equal(evbuffer_pullup(b, 3), "abc", 3);
		try_until_enough(attempts[i], b);
		evbuffer_free(b);
	}
}

static void test_write_without_memory(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(out_of_memory);
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	allowance = 0;
	errno = 0;
	assert_int_equal(bufferevent_write(p.bufferevent, big, BIG), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(party_unsent(&p), 3);
	/* What is queued goes out all the same. */
	harness_spin(f->reactor, 2);
	allowance = -1;
	party_expect(&p, "write");
	party_peer_gets(&p, "abc");
	party_end(&p);
}

/* --- In the turn --------------------------------------------------------- */

static int fired;

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	fired++;
}

static void on_task(struct reactor_task *t)
{
	(void)t;
	fired++;
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
	fired++;
}

/* Nothing of this allocates, so that it cannot fail. */
static void test_reactor_goes_on(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = on_timer };
	struct reactor_task task = { .run = on_task };
	struct reactor_signal s = { .caught = on_signal };

	harness_quote(out_of_memory);
	fired = 0;
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	allowance = 0;
	reactor_timer_start(f->reactor, &t, 0);
	reactor_post(f->reactor, &task);
	raise(SIGUSR1);
	harness_spin(f->reactor, 2);
	allowance = -1;
	assert_int_equal(fired, 3);
	reactor_signal_stop(&s);
}

static void test_read_without_memory(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer t = { .fire = on_timer };
	struct party p;

	harness_quote(out_of_memory);
	fired = 0;
	party_open(&p, f->reactor);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 2);
	harness_send(p.peer, "abc");
	reactor_timer_start(f->reactor, &t, 0);
	allowance = 0;
	harness_spin(f->reactor, 3);
	allowance = -1;
	party_expect(&p, "read|error");
	assert_int_equal(p.seen, ENOMEM);
	assert_int_equal(fired, 1);
	/* The bytes are where they were, and come when there is memory. */
	party_enable(&p, EV_READ);
	party_await(&p, party_has_read);
	assert_int_equal(party_unread(&p), 3);
	party_end(&p);
}

static void test_read_more_without_memory(void **state)
{
	struct fixture *f = *state;
	struct party p;
	struct evbuffer *in;

	harness_quote(out_of_memory);
	party_open(&p, f->reactor);
	in = bufferevent_get_read(p.bufferevent);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	for (int i = 0; i < 40; i++)
		harness_send(p.peer,
			     "0123456789012345678901234567890123456789"
			     "0123456789012345678901234567890123456789");
	allowance = 0;
	harness_spin(f->reactor, 10);
	allowance = -1;
	/* Whether or not some of it found room: in order, and all of it. */
	if (p.errors)
		assert_int_equal(p.seen, ENOMEM);
	party_enable(&p, EV_READ);
	harness_spin(f->reactor, 3);
	assert_int_equal(evbuffer_get_length(in), 3 + 40 * 80);
	assert_memory_equal(evbuffer_pullup(in, 13), "abc0123456789", 13);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_what_is_made),
		harness_test(test_what_is_added),
		harness_test(test_write_without_memory),
		harness_test(test_reactor_goes_on),
		harness_test(test_read_without_memory),
		harness_test(test_read_more_without_memory),
	};

	if (bufev_set_allocator(scarce_realloc, scarce_free) != 0)
		return 1;
	return cmocka_run_group_tests_name("no-memory", tests, NULL, NULL);
}
