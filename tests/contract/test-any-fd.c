/* SPDX-License-Identifier: MIT */

/*
 * Any fd: what kinds of descriptors are served, and in what state they are
 * handed back.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>

#include "party.h"

enum { FILE_SIZE = 200000 };

static const char any_stream[] =
	"stream sockets, pipes, ttys, and regular files (always ready: "
	"`program < file` works under epoll too).";

static bool is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	assert_true(flags >= 0);
	return (flags & O_NONBLOCK) != 0;
}

/* Bytes go both ways, and each side is told. */
static void converse(struct party *p)
{
	party_enable(p, EV_READ);
	party_write(p, "there");
	harness_send(p->peer, "back");
	party_await(p, party_has_read);
	party_await(p, party_has_written);
	assert_int_equal(party_unread(p), 4);
	party_peer_gets(p, "there");
	assert_int_equal(p->errors, 0);
}

static void test_local_socket(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(any_stream);
	party_open(&p, f->reactor);
	converse(&p);
	party_end(&p);
}

static void test_tcp_socket(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(any_stream);
	party_open_tcp(&p, f->reactor);
	converse(&p);
	party_end(&p);
}

static void test_read_end_of_a_pipe(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int fd[2];

	harness_quote(any_stream);
	assert_int_equal(pipe(fd), 0);
	party_adopt(&p, f->reactor, fd[0], fd[1]);
	party_enable(&p, EV_READ);
	harness_send(p.peer, "abc");
	party_await(&p, party_has_read);
	assert_int_equal(party_unread(&p), 3);
	party_hang_up(&p);
	party_await(&p, party_has_failed);
	party_expect(&p, "read read|eof");
	party_end(&p);
}

static void test_write_end_of_a_pipe(void **state)
{
	struct fixture *f = *state;
	struct party p;
	char got[4] = "";
	int fd[2];

	harness_quote(any_stream);
	assert_int_equal(pipe(fd), 0);
	party_adopt(&p, f->reactor, fd[1], fd[0]);
	party_write(&p, "abc");
	party_await(&p, party_has_written);
	assert_int_equal(read(p.peer, got, 3), 3);
	assert_string_equal(got, "abc");
	party_hang_up(&p);
	party_write(&p, "lost");
	party_await(&p, party_has_failed);
	party_expect(&p, "write write|error");
	assert_int_equal(p.seen, EPIPE);
	party_end(&p);
}

/* A terminal that passes bytes through as they are. */
static void open_terminal(int fd[2])
{
	struct termios raw;

	fd[1] = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(fd[1] >= 0);
	assert_int_equal(grantpt(fd[1]), 0);
	assert_int_equal(unlockpt(fd[1]), 0);
	fd[0] = open(ptsname(fd[1]), O_RDWR | O_NOCTTY);
	assert_true(fd[0] >= 0);
	assert_int_equal(tcgetattr(fd[0], &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(fd[0], TCSANOW, &raw), 0);
}

static void test_terminal(void **state)
{
	struct fixture *f = *state;
	struct party p;
	char got[8] = "";
	int fd[2];

	harness_quote(any_stream);
	open_terminal(fd);
	party_adopt(&p, f->reactor, fd[0], fd[1]);
	party_enable(&p, EV_READ);
	party_write(&p, "there");
	harness_send(p.peer, "back");
	party_await(&p, party_has_read);
	party_await(&p, party_has_written);
	assert_int_equal(party_unread(&p), 4);
	assert_int_equal(read(p.peer, got, 5), 5);
	assert_string_equal(got, "there");
	party_end(&p);
}

/* Nobody will take what is queued: the kernel says so, and takes no more. */
static void test_terminal_hung_up(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int fd[2];

	harness_quote("With writing enabled, a hang-up or reset is reported "
		      "once as WRITE|ERROR (SO_ERROR, or EPIPE where that is "
		      "0), without spinning");
	open_terminal(fd);
	party_adopt(&p, f->reactor, fd[1], fd[0]);
	party_write_zeros(&p, FILE_SIZE);
	harness_spin(f->reactor, 8);
	assert_true(party_unsent(&p) > 0);
	party_hang_up(&p);
	party_await(&p, party_has_failed);
	party_expect(&p, "write|error");
	assert_true(p.seen == EPIPE || p.seen == EIO);
	assert_int_equal(harness_spin(f->reactor, 4), 0);
	party_end(&p);
}

/* --- Regular files ------------------------------------------------------- */

static int open_file(void)
{
	char path[] = "/tmp/bufev-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static void drain(struct party *p, unsigned what)
{
	size_t *sum = p->arg;

	if (what == EVBUFFER_READ)
		*sum += evbuffer_drain(bufferevent_get_read(p->bufferevent),
				       SIZE_MAX);
}

static void test_reading_a_regular_file(void **state)
{
	struct fixture *f = *state;
	size_t sum = 0;
	struct party p;
	int fd = open_file();

	harness_quote(any_stream);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	party_adopt(&p, f->reactor, fd, -1);
	p.act = drain;
	p.arg = &sum;
	party_enable(&p, EV_READ);
	/* Nothing else would ever end the run. */
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(sum, FILE_SIZE);
	assert_int_equal(p.errors, 1);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	party_end(&p);
}

static void test_writing_a_regular_file(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int fd = open_file();

	harness_quote(any_stream);
	party_adopt(&p, f->reactor, fd, -1);
	party_write_zeros(&p, FILE_SIZE);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), FILE_SIZE);
	assert_true(p.writes > 0);
	assert_int_equal(p.errors, 0);
	party_end(&p);
}

static void test_idle_regular_file_does_not_spin(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = harness_now_ms();
	struct party p;
	int fd = open_file(), turns = 0;

	harness_quote(any_stream);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	party_adopt(&p, f->reactor, fd, -1);
	assert_int_equal(bufferevent_set_read_watermarks(p.bufferevent, 0, 10),
			 0);
	party_enable(&p, EV_READ);
	harness_turns(f->reactor, party_has_read, &p, 3);
	while (harness_now_ms() - begin < 60 && turns < 1000) {
		assert_true(reactor_turn(f->reactor, 20) >= 0);
		turns++;
	}
	assert_true(turns < 20);
	assert_int_equal(party_unread(&p), 10);
	party_end(&p);
}

static void test_device(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote(any_stream);
	party_adopt(&p, f->reactor, open("/dev/null", O_RDWR), -1);
	party_enable(&p, EV_READ);
	party_write(&p, "abc");
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(p.writes, 1);
	assert_int_equal(p.what, EVBUFFER_READ | EVBUFFER_EOF);
	party_end(&p);
}

static int watched;

static void count(struct reactor_watch *w, unsigned events)
{
	watched++;
	assert_int_equal(events, EV_READ | EV_WRITE);
	if (watched == 3)
		reactor_watch_stop(w);
}

static void test_watched_regular_file_is_always_ready(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	int fd = open_file();

	harness_quote(any_stream);
	watched = 0;
	assert_int_equal(
		reactor_watch_set(f->reactor, &w, fd, EV_READ | EV_WRITE), 0);
	assert_int_equal(reactor_run(f->reactor), 0);
	assert_int_equal(watched, 3);
	harness_close(fd);
}

/* --- What is refused ----------------------------------------------------- */

/* The bufferevent is refused, and the descriptor is as it was. */
static void expect_refused(struct reactor *reactor, int fd, int error)
{
	bool before = fcntl(fd, F_GETFL) >= 0 && is_nonblocking(fd);

	errno = 0;
	assert_null(bufferevent_new_on(reactor, fd, party_called, party_called,
				       party_called));
	assert_int_equal(errno, error);
	if (fcntl(fd, F_GETFL) >= 0)
		assert_int_equal(is_nonblocking(fd), before);
}

static void test_message_sockets(void **state)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	struct fixture *f = *state;
	int fd[2];

	harness_quote("Message sockets: `EINVAL`.");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, fd), 0);
		expect_refused(f->reactor, fd[0], EINVAL);
		harness_close(fd[0]);
		harness_close(fd[1]);
	}
	fd[0] = socket(AF_INET, SOCK_DGRAM, 0);
	expect_refused(f->reactor, fd[0], EINVAL);
	harness_close(fd[0]);
}

static void test_bad_fd(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	int bad[3] = { -1, 0, 1000000 };

	harness_quote("A bad fd is `EBADF` at once.");
	bad[1] = dup(0);
	harness_close(bad[1]);
	for (int i = 0; i < 3; i++) {
		expect_refused(f->reactor, bad[i], EBADF);
		errno = 0;
		assert_int_equal(
			reactor_watch_set(f->reactor, &w, bad[i], EV_READ), -1);
		assert_int_equal(errno, EBADF);
	}
	/* Nothing is left that anyone would wait for. */
	assert_int_equal(reactor_run(f->reactor), 0);
}

/* --- O_NONBLOCK ---------------------------------------------------------- */

static void test_nonblock_is_set(void **state)
{
	struct fixture *f = *state;
	struct party p;

	harness_quote("`O_NONBLOCK` is set by `bufferevent_new`");
	party_open(&p, f->reactor);
	assert_true(is_nonblocking(p.fd));
	/* That of the peer is its own. */
	assert_false(is_nonblocking(p.peer));
	party_end(&p);
}

static const char put_back[] =
	"free of a borrowed fd, and a failed `new`, put back what they found.";

static void test_free_puts_back(void **state)
{
	struct fixture *f = *state;
	struct party p;
	int fd[2];

	harness_quote(put_back);
	harness_pair(fd);
	assert_int_equal(fcntl(fd[1], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 2; i++) {
		party_adopt(&p, f->reactor, fd[i], -1);
		harness_spin(f->reactor, 1);
		party_free_now(&p);
		assert_int_equal(is_nonblocking(fd[i]), i == 1);
	}
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static void test_failed_new_puts_back(void **state)
{
	struct fixture *f = *state;
	struct reactor_watch w = { .ready = count };
	int fd[2];

	harness_quote(put_back);
	harness_pair(fd);
	errno = 0;
	assert_null(bufferevent_new_on(f->reactor, fd[0], NULL, NULL, NULL));
	assert_int_equal(errno, EINVAL);
	assert_false(is_nonblocking(fd[0]));
	assert_int_equal(reactor_watch_set(f->reactor, &w, fd[0], EV_READ), 0);
	expect_refused(f->reactor, fd[0], EEXIST);
	assert_false(is_nonblocking(fd[0]));
	reactor_watch_stop(&w);
	harness_close(fd[0]);
	harness_close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_local_socket),
		harness_test(test_tcp_socket),
		harness_test(test_read_end_of_a_pipe),
		harness_test(test_write_end_of_a_pipe),
		harness_test(test_terminal),
		harness_test(test_terminal_hung_up),
		harness_test(test_reading_a_regular_file),
		harness_test(test_writing_a_regular_file),
		harness_test(test_idle_regular_file_does_not_spin),
		harness_test(test_device),
		harness_test(test_watched_regular_file_is_always_ready),
		harness_test(test_message_sockets),
		harness_test(test_bad_fd),
		harness_test(test_nonblock_is_set),
		harness_test(test_free_puts_back),
		harness_test(test_failed_new_puts_back),
	};

	return cmocka_run_group_tests_name("any-fd", tests, NULL, NULL);
}
