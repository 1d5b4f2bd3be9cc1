/* SPDX-License-Identifier: MIT */

/*
 * Bad input: what POSIX would say, nothing changed, nothing leaked.
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>

#include "party.h"

/* --- Blocks of memory, counted ------------------------------------------ */

static long blocks;

static void *counting_realloc(void *p, size_t n)
{
	void *q = realloc(p, n);

	if (q && !p)
		blocks++;
	return q;
}

static void counting_free(void *p)
{
	blocks--;
	free(p);
}

/* --- Bad input ----------------------------------------------------------- */

static const char bad_input[] =
	"A NULL error callback, a bad fd, low > high, unknown event bits, a "
	"size that overflows, a backend that does not exist, an address of the "
	"wrong length: `EINVAL`, `EBADF`, `EOVERFLOW`, `ENOTSUP` as POSIX "
	"would have it, nothing changed and nothing leaked.";

static void expect_errno(int result, int error)
{
	int said = errno;

	assert_int_equal(result, -1);
	assert_int_equal(said, error);
	errno = 0;
}

static void test_null_error_callback(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd[2];
	long before;

	harness_quote(bad_input);
	harness_pair(fd);
	before = blocks;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	errno = 0;
	assert_null(bufferevent_new_on(f->reactor, fd[0], party_called,
				       party_called, NULL));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bufferevent_connect(f->reactor, (struct sockaddr *)&address,
					sizeof(address), party_called,
					party_called, NULL));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(blocks, before);
	assert_int_equal(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_null_callback_of_a_listener(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in address = { .sin_family = AF_INET };

	harness_quote(bad_input);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	errno = 0;
	assert_null(bufferevent_listen(f->reactor, (struct sockaddr *)&address,
				       sizeof(address), 0, NULL, NULL));
	assert_int_equal(errno, EINVAL);
}

static void test_bad_fd(void **state)
{
	struct fixture *f = *state;
	long before = blocks;

	harness_quote(bad_input);
	errno = 0;
	assert_null(bufferevent_new_on(f->reactor, -1, party_called,
				       party_called, party_called));
	assert_int_equal(errno, EBADF);
	assert_int_equal(blocks, before);
}

static void test_low_above_high(void **state)
{
	struct fixture *f = *state;
	size_t low, high;
	struct party p;

	harness_quote(bad_input);
	party_open(&p, f->reactor);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 1, 5),
			 0);
	assert_int_equal(bufferevent_set_write_watermarks(p.bufferevent, 2, 6),
			 0);
	errno = 0;
	expect_errno(bufferevent_set_read_watermarks(p.bufferevent, 6, 5),
		     EINVAL);
	expect_errno(bufferevent_set_write_watermarks(p.bufferevent, 7, 6),
		     EINVAL);
	bufferevent_get_read_watermarks(p.bufferevent, &low, &high);
	assert_int_equal(low, 1);
	assert_int_equal(high, 5);
	bufferevent_get_write_watermarks(p.bufferevent, &low, &high);
	assert_int_equal(low, 2);
	assert_int_equal(high, 6);
	/* The same marks are fine, and so is no limit. */
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 5, 5),
			 0);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 5, 0),
			 0);
	party_end(&p);
}

static void test_unknown_event_bits(void **state)
{
	static const unsigned unknown[] = {
		EV_SIGNAL, EV_TIMEOUT,		0x10,
		0x80,	   EV_READ | EV_SIGNAL, EV_WRITE | 0x1000
	};
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = NULL };
	struct party p;

	harness_quote(bad_input);
	party_open(&p, f->reactor);
	errno = 0;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		expect_errno(bufferevent_enable(p.bufferevent, unknown[i]),
			     EINVAL);
		expect_errno(bufferevent_disable(p.bufferevent, unknown[i]),
			     EINVAL);
		assert_int_equal(bufferevent_get_enabled(p.bufferevent),
				 EV_WRITE);
		expect_errno(reactor_watch_set(f->reactor, &w, p.peer,
					       unknown[i]),
			     EINVAL);
	}
	party_end(&p);
}

static void ignore(struct reactor_watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

static void test_bad_watch(void **state)
{
	struct fixture *f = *state;
	struct reactor *second = reactor_new(NULL);
	struct reactor_watch w = { .ready = NULL };
	int fd[2];

	harness_quote(bad_input);
	harness_pair(fd);
	errno = 0;
	expect_errno(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), EINVAL);
	w.ready = ignore;
	expect_errno(reactor_watch_set(f->reactor, &w, fd[0], EV_SIGNAL),
		     EINVAL);
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	/* It is started: for another fd or reactor it has to be stopped. */
	expect_errno(reactor_watch_set(f->reactor, &w, fd[1], EV_READ), EINVAL);
	expect_errno(reactor_watch_set(second, &w, fd[0], EV_READ), EINVAL);
	reactor_watch_stop(&w);
	assert_int_equal(reactor_watch_set(second, &w, fd[1], EV_READ), 0);
	reactor_watch_stop(&w);
	reactor_free(second);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void on_signal(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
}

static void test_bad_signal(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal s = { .caught = NULL };

	harness_quote(bad_input);
	errno = 0;
	expect_errno(reactor_signal_start(f->reactor, &s, SIGUSR1), EINVAL);
	s.caught = on_signal;
	expect_errno(reactor_signal_start(f->reactor, &s, -1), EINVAL);
	expect_errno(reactor_signal_start(f->reactor, &s, 0), EINVAL);
	expect_errno(reactor_signal_start(f->reactor, &s, 100000), EINVAL);
	expect_errno(reactor_signal_start(f->reactor, &s, SIGKILL), EINVAL);
	expect_errno(reactor_signal_start(f->reactor, &s, SIGSTOP), EINVAL);
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	expect_errno(reactor_signal_start(f->reactor, &s, SIGUSR2), EINVAL);
	reactor_signal_stop(&s);
	assert_int_equal(reactor_run(f->reactor), 0);
}

/* --- Sizes --------------------------------------------------------------- */

/* A size that no memory has; which of the two is said depends on how near. */
static void expect_too_much(int result)
{
	int said = errno;

	assert_int_equal(result, -1);
	assert_true(said == EOVERFLOW || said == ENOMEM);
	errno = 0;
}

static void test_sizes_of_a_buffer(void **state)
{
	struct evbuffer *b = evbuffer_new();
	struct iovec v[2] = { { (char[]){ "abc" }, 3 },
			      { (char[]){ "abc" }, SIZE_MAX - 2 } };

	(void)state;
	harness_quote(bad_input);
	assert_non_null(b);
	assert_int_equal(evbuffer_add(b, "abc", 3), 0);
	errno = 0;
	expect_too_much(evbuffer_add(b, "x", SIZE_MAX));
	expect_too_much(evbuffer_add(b, "x", SIZE_MAX / 2 + 1));
	expect_too_much(evbuffer_prepend(b, "x", SIZE_MAX));
	expect_too_much(evbuffer_expand(b, SIZE_MAX));
	expect_too_much(evbuffer_expand(b, SIZE_MAX - 3));
	expect_too_much(evbuffer_reserve(b, SIZE_MAX, v));
	v[0].iov_len = 3;
	v[1].iov_base = v[0].iov_base = (char[]){ "abc" };
	v[1].iov_len = SIZE_MAX - 2;
	expect_errno(evbuffer_add_iovec(b, v, 2), EOVERFLOW);
	expect_errno(evbuffer_add_iovec(b, v, -1), EINVAL);
	assert_int_equal(evbuffer_get_length(b), 3);
	assert_memory_equal(evbuffer_pullup(b, 3), "abc", 3);
	evbuffer_free(b);
}

static void test_sizes_of_a_bufferevent(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(bad_input);
	party_open(&p, f->reactor);
	party_write(&p, "abc");
	errno = 0;
	expect_too_much(bufferevent_write(p.bufferevent, "x", SIZE_MAX));
	expect_errno(
		bufferevent_write_buffer(p.bufferevent,
					 bufferevent_get_write(p.bufferevent)),
		EINVAL);
	assert_int_equal(party_unsent(&p), 3);
	party_await(&p, party_has_written);
	party_peer_gets(&p, "abc");
	party_end(&p);
}

/* --- Backends and addresses ---------------------------------------------- */

static void test_backend_that_does_not_exist(void **state)
{
	char *before = getenv("BUFEV_BACKEND");
	char *kept = before ? strdup(before) : NULL;
	long had = blocks;

	(void)state;
	harness_quote(bad_input);
	errno = 0;
	assert_null(reactor_new("no such backend"));
	assert_int_equal(errno, ENOTSUP);
	errno = 0;
	assert_null(reactor_new(""));
	assert_int_equal(errno, ENOTSUP);
	setenv("BUFEV_BACKEND", "no such backend", 1);
	errno = 0;
	assert_null(reactor_new(NULL));
	assert_int_equal(errno, ENOTSUP);
	if (kept)
		setenv("BUFEV_BACKEND", kept, 1);
	else
		unsetenv("BUFEV_BACKEND");
	free(kept);
	assert_int_equal(blocks, had);
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

static void expect_bad_address(struct reactor *reactor, const void *address,
			       size_t length)
{
	errno = 0;
	assert_null(bufferevent_connect(reactor, address, (socklen_t)length,
					party_called, party_called,
					party_called));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(bufferevent_listen(reactor, address, (socklen_t)length, 0,
				       on_accept, NULL));
	assert_int_equal(errno, EINVAL);
}

static void test_address_of_the_wrong_length(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	long before = blocks;

	harness_quote(bad_input);
	expect_bad_address(f->reactor, &four, 0);
	expect_bad_address(f->reactor, &four, 1);
	expect_bad_address(f->reactor, &four, sizeof(four) - 1);
	expect_bad_address(f->reactor, &six, sizeof(four));
	expect_bad_address(f->reactor, &six, sizeof(six) - 1);
	expect_bad_address(f->reactor, &local, sizeof(local) + 1);
	expect_bad_address(f->reactor, NULL, sizeof(four));
	assert_int_equal(blocks, before);
	assert_int_equal(reactor_run(f->reactor), 0);
}

static void test_unknown_flags_of_a_listener(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in four = { .sin_family = AF_INET };

	harness_quote(bad_input);
	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	errno = 0;
	assert_null(bufferevent_listen(f->reactor, (struct sockaddr *)&four,
				       sizeof(four), 0x80, on_accept, NULL));
	assert_int_equal(errno, EINVAL);
}

static void test_half_an_allocator(void **state)
{
	(void)state;
	harness_quote(bad_input);
	errno = 0;
	expect_errno(bufev_set_allocator(counting_realloc, NULL), EINVAL);
	expect_errno(bufev_set_allocator(NULL, counting_free), EINVAL);
}

static void test_shutdown_of_a_pipe(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int fd[2];

	harness_quote(bad_input);
	assert_int_equal(pipe(fd), 0);
	party_adopt(&p, f->reactor, fd[1], fd[0]);
	errno = 0;
	expect_errno(bufferevent_shutdown(p.bufferevent), ENOTSOCK);
	/* Nothing changed: it still takes output. */
	party_write(&p, "abc");
	party_await(&p, party_has_written);
	party_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_null_error_callback),
		harness_test(test_null_callback_of_a_listener),
		harness_test(test_bad_fd),
		harness_test(test_low_above_high),
		harness_test(test_unknown_event_bits),
		harness_test(test_bad_watch),
		harness_test(test_bad_signal),
		harness_test(test_sizes_of_a_buffer),
		harness_test(test_sizes_of_a_bufferevent),
		harness_test(test_backend_that_does_not_exist),
		harness_test(test_address_of_the_wrong_length),
		harness_test(test_unknown_flags_of_a_listener),
		harness_test(test_half_an_allocator),
		harness_test(test_shutdown_of_a_pipe),
	};

	if (bufev_set_allocator(counting_realloc, counting_free) != 0)
		return 1;
	return cmocka_run_group_tests_name("bad-input", tests, NULL, NULL);
}
