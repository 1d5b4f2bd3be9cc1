/* SPDX-License-Identifier: MIT */

/*
 * Re-entry, second part: objects that end inside their own callback, and what
 * reactor_free() leaves behind.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#include "party.h"

static struct sockaddr_in loopback(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* The reactor of the fixture, which need not free it then. */
static struct reactor *take_reactor(struct fixture *f)
{
	struct reactor *reactor = f->reactor;

	f->reactor = NULL;
	return reactor;
}

/* --- Freed inside their own callback ------------------------------------- */

static const char own_callback[] =
	"Objects in the caller's memory may be freed inside their own "
	"callback.";

static int freed;

static bool one_is_freed(void *arg)
{
	(void)arg;
	return freed > 0;
}

static void free_watch(struct reactor_watch *w, unsigned events)
{
	(void)events;
	reactor_watch_stop(w);
	free(w);
	freed++;
}

static void test_watch_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch *w = calloc(1, sizeof(*w));
	int fd[2];

	harness_quote(own_callback);
	freed = 0;
	assert_non_null(w);
	w->ready = free_watch;
	harness_pair(fd);
	assert_int_equal(reactor_watch_set(f->reactor, w, fd[0], EV_WRITE), 0);
	harness_turns(f->reactor, one_is_freed, NULL, 10);
	harness_spin(f->reactor, 3);
	assert_int_equal(freed, 1);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void free_timer(struct reactor_timer *t)
{
	free(t);
	freed++;
}

static void test_timer_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;
	struct reactor_timer *t = calloc(1, sizeof(*t));

	harness_quote(own_callback);
	freed = 0;
	assert_non_null(t);
	t->fire = free_timer;
	reactor_timer_start(f->reactor, t, 1);
	harness_turns(f->reactor, one_is_freed, NULL, 10);
	harness_spin(f->reactor, 3);
	assert_int_equal(freed, 1);
}

static void free_signal(struct reactor_signal *s, int signo)
{
	(void)signo;
	reactor_signal_stop(s);
	free(s);
	freed++;
}

static void test_signal_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal *s = calloc(1, sizeof(*s));

	harness_quote(own_callback);
	freed = 0;
	assert_non_null(s);
	s->caught = free_signal;
	assert_int_equal(reactor_signal_start(f->reactor, s, SIGUSR1), 0);
	raise(SIGUSR1);
	harness_turns(f->reactor, one_is_freed, NULL, 10);
	harness_spin(f->reactor, 3);
	assert_int_equal(freed, 1);
}

static void free_task(struct reactor_task *t)
{
	free(t);
	freed++;
}

static void test_task_freed_in_its_callback(void **state)
{
	struct fixture *f = *state;
	struct reactor_task *t = calloc(1, sizeof(*t));

	harness_quote(own_callback);
	freed = 0;
	assert_non_null(t);
	t->run = free_task;
	reactor_post(f->reactor, t);
	harness_turns(f->reactor, one_is_freed, NULL, 10);
	harness_spin(f->reactor, 3);
	assert_int_equal(freed, 1);
}

/* --- reactor_free() inside a callback ------------------------------------ */

static void free_reactor(struct party *p, unsigned what)
{
	struct reactor *reactor = bufferevent_get_reactor(p->bufferevent);

	(void)what;
	assert_non_null(reactor);
	reactor_free(reactor);
	/* The turn has not ended: all is as it was. */
	assert_ptr_equal(bufferevent_get_reactor(p->bufferevent), reactor);
	assert_non_null(reactor_backend(reactor));
	assert_int_equal(bufferevent_write(p->bufferevent, "x", 1), 0);
}

static void test_reactor_free_in_a_turn(void **state)
{
	struct fixture *f = *state;
	struct reactor *reactor = take_reactor(f);
	struct party p;

	harness_quote("`reactor_free` inside a callback takes effect when the "
		      "turn ends.");
	party_open(&p, reactor);
	p.act = free_reactor;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	for (int i = 0; i < 10 && p.reads == 0; i++)
		assert_true(reactor_turn(reactor, 1000) >= 0);
	assert_int_equal(p.reads, 1);
	assert_null(bufferevent_get_reactor(p.bufferevent));
	party_end(&p);
}

static void test_reactor_free_in_a_run(void **state)
{
	struct fixture *f = *state;
	struct reactor *reactor = take_reactor(f);
	struct party p;

	harness_quote("`reactor_free` inside a callback takes effect when the "
		      "turn ends.");
	party_open(&p, reactor);
	p.act = free_reactor;
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	/* Enabled for reading, it would run for ever. */
	assert_true(reactor_run(reactor) >= 0);
	assert_int_equal(p.reads, 1);
	assert_null(bufferevent_get_reactor(p.bufferevent));
	party_end(&p);
}

/* --- What it leaves ------------------------------------------------------ */

static int called;

static void on_watch(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
	called++;
}

static void on_timer(struct reactor_timer *t)
{
	(void)t;
	called++;
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
	called++;
}

static void on_task(struct reactor_task *t)
{
	(void)t;
	called++;
}

static void on_accept(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *address, socklen_t length,
		      void *data)
{
	(void)l;
	(void)address;
	(void)length;
	(void)data;
	called++;
	harness_close(fd);
}

/* One of everything that a reactor serves, each with something to call for. */
struct all {
	struct reactor_watch watch;
	struct reactor_timer timer;
	struct reactor_signal signal;
	struct reactor_task task;
	struct bufferevent_listener *listener;
	struct party party;
	int fd[2], client;
};

static void connect_to(struct all *a)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int listener = bufferevent_listener_get_fd(a->listener);

	assert_int_equal(
		getsockname(listener, (struct sockaddr *)&address, &length), 0);
	a->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(a->client, (struct sockaddr *)&address, length), 0);
}

static void open_all(struct all *a, struct reactor *reactor)
{
	struct sockaddr_in address = loopback();

	memset(a, 0, sizeof(*a));
	called = 0;
	a->watch.ready = on_watch;
	a->timer.fire = on_timer;
	a->signal.caught = on_signal;
	a->task.run = on_task;
	harness_pair(a->fd);
	harness_send(a->fd[1], "x");
	assert_int_equal(
		reactor_watch_set(reactor, &a->watch, a->fd[0], EV_READ), 0);
	reactor_timer_start(reactor, &a->timer, 0);
	assert_int_equal(reactor_signal_start(reactor, &a->signal, SIGUSR1), 0);
	raise(SIGUSR1);
	reactor_post(reactor, &a->task);
	a->listener = bufferevent_listen(reactor, (struct sockaddr *)&address,
					 sizeof(address), 0, on_accept, NULL);
	assert_non_null(a->listener);
	connect_to(a);
	party_open(&a->party, reactor);
	party_enable(&a->party, EV_READ | EV_WRITE);
	party_write(&a->party, "abc");
	harness_send(a->party.peer, "abc");
}

static void end_all(struct all *a)
{
	reactor_watch_stop(&a->watch);
	reactor_timer_stop(&a->timer);
	reactor_signal_stop(&a->signal);
	bufferevent_listener_free(a->listener);
	party_end(&a->party);
	harness_close(a->fd[0]);
	harness_close(a->fd[1]);
	harness_close(a->client);
}

static void test_detached_uncalled(void **state)
{
	struct fixture *f = *state;
	struct all a;

	harness_quote("It detaches everything uncalled");
	open_all(&a, f->reactor);
	reactor_free(take_reactor(f));
	assert_int_equal(called, 0);
	party_expect(&a.party, "");
	assert_null(bufferevent_get_reactor(a.party.bufferevent));
	end_all(&a);
	assert_int_equal(called, 0);
}

static void test_stopping_detached(void **state)
{
	struct fixture *f = *state;
	struct reactor *second;
	struct all a;

	harness_quote("stopping or freeing a detached object is still required "
		      "and safe");
	open_all(&a, f->reactor);
	reactor_free(take_reactor(f));
	reactor_watch_stop(&a.watch);
	reactor_timer_stop(&a.timer);
	reactor_signal_stop(&a.signal);
	/* Stopped, they serve again, on another reactor. */
	second = reactor_new(NULL);
	assert_non_null(second);
	f->reactor = second;
	assert_int_equal(reactor_watch_set(second, &a.watch, a.fd[0], EV_READ),
			 0);
	reactor_timer_start(second, &a.timer, 0);
	assert_int_equal(reactor_signal_start(second, &a.signal, SIGUSR1), 0);
	raise(SIGUSR1);
	harness_spin(second, 1);
	assert_int_equal(called, 3);
	end_all(&a);
}

static void test_detached_is_cancelled(void **state)
{
	struct fixture *f = *state;
	struct all a;

	harness_quote("`enable` on one is `ECANCELED`");
	open_all(&a, f->reactor);
	reactor_free(take_reactor(f));
	errno = 0;
	assert_int_equal(bufferevent_enable(a.party.bufferevent, EV_READ), -1);
	assert_int_equal(errno, ECANCELED);
	/* Disabling one asks for nothing. */
	assert_int_equal(bufferevent_disable(a.party.bufferevent, EV_READ), 0);
	end_all(&a);
}

static void test_detached_calls_are_safe(void **state)
{
	struct fixture *f = *state;
	struct bufferevent *b;
	struct party p;
	char out[8];

	harness_quote("stopping or freeing a detached object is still required "
		      "and safe");
	party_open(&p, f->reactor);
	b = p.bufferevent;
	assert_int_equal(evbuffer_add(bufferevent_get_read(b), "abc", 3), 0);
	reactor_free(take_reactor(f));
	/* What it holds is still there. */
	assert_int_equal(bufferevent_read(b, out, sizeof(out)), 3);
	assert_memory_equal(out, "abc", 3);
	bufferevent_set_timeouts(b, 10, 10);
	assert_int_equal(bufferevent_set_read_watermarks(b, 1, 2), 0);
	assert_int_equal(bufferevent_set_write_watermarks(b, 1, 2), 0);
	errno = 0;
	assert_int_equal(bufferevent_shutdown(b), -1);
	assert_int_equal(errno, ECANCELED);
	party_expect(&p, "");
	party_end(&p);
}

static void test_finishing_is_closed(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("what was finishing is closed");
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	bufferevent_own_fd(p.bufferevent, true);
	party_write_zeros(&p, 100000);
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	harness_spin(f->reactor, 2);
	assert_true(fcntl(p.fd, F_GETFD) >= 0);
	reactor_free(take_reactor(f));
	assert_int_equal(fcntl(p.fd, F_GETFD), -1);
	p.fd = -1;
	party_end(&p);
}

static void test_finishing_borrowed_is_left_open(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("what was finishing is closed");
	party_open(&p, f->reactor);
	harness_fill(p.fd);
	party_write_zeros(&p, 100000);
	bufferevent_finish(p.bufferevent);
	p.bufferevent = NULL;
	harness_spin(f->reactor, 2);
	reactor_free(take_reactor(f));
	assert_true(fcntl(p.fd, F_GETFD) >= 0);
	assert_int_equal(fcntl(p.fd, F_GETFL) & O_NONBLOCK, 0);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_watch_freed_in_its_callback),
		harness_test(test_timer_freed_in_its_callback),
		harness_test(test_signal_freed_in_its_callback),
		harness_test(test_task_freed_in_its_callback),
		harness_test(test_reactor_free_in_a_turn),
		harness_test(test_reactor_free_in_a_run),
		harness_test(test_detached_uncalled),
		harness_test(test_stopping_detached),
		harness_test(test_detached_is_cancelled),
		harness_test(test_detached_calls_are_safe),
		harness_test(test_finishing_is_closed),
		harness_test(test_finishing_borrowed_is_left_open),
	};

	return cmocka_run_group_tests_name("detach", tests, NULL, NULL);
}
