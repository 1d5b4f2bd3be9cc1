/* SPDX-License-Identifier: MIT */

/* What all backends share: moving bytes, and a descriptor's life. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "kernel-posix.h"

enum { LARGE = 4 << 20 };

static char large[LARGE];

static int flags_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	assert_return_code(flags, errno);
	return flags;
}

static void pipe_of(int fd[2])
{
	assert_return_code(pipe2(fd, O_CLOEXEC | O_NONBLOCK), errno);
}

static void close_both(const int fd[2])
{
	harness_close(fd[0]);
	harness_close(fd[1]);
}

static struct transfer move_of(int fd, bool write, void *data, size_t n)
{
	struct transfer t = {
		.fd = fd, .write = write, .socket = true, .pieces = 1
	};

	t.v[0].iov_base = data;
	t.v[0].iov_len = n;
	return t;
}

/* The same in two pieces, of which the first ends at `cut`. */
static struct transfer wrapped(struct transfer t, size_t cut)
{
	t.pieces = 2;
	t.v[1].iov_base = (char *)t.v[0].iov_base + cut;
	t.v[1].iov_len = t.v[0].iov_len - cut;
	t.v[0].iov_len = cut;
	return t;
}

static ssize_t move_one(struct transfer t)
{
	bufev_posix_transfer(NULL, &t, 1);
	return t.done;
}

/* --- Bytes --------------------------------------------------------------- */

/* Each of a batch has its own outcome, and none disturbs the others. */
static void test_batch(void **state)
{
	int a[2], b[2], c[2], d[2], e[2];
	char in[4][16];
	struct transfer t[6];

	(void)state;
	harness_pair(a);
	harness_pair(b);
	harness_pair(c);
	harness_tcp_pair(d);
	pipe_of(e);
	harness_send(a[1], "hello");
	harness_close(c[1]);
	harness_reset(d[1]);
	t[0] = move_of(a[0], false, in[0], 16);
	t[1] = move_of(b[0], false, in[1], 16);
	t[2] = move_of(c[0], false, in[2], 16);
	t[3] = move_of(d[0], false, in[3], 16);
	t[4] = move_of(c[0], true, large, 16);
	t[5] = move_of(e[1], true, large, 16);
	bufev_posix_transfer(NULL, t, 6);
	assert_int_equal(t[0].done, 5);
	assert_memory_equal(in[0], "hello", 5);
	assert_int_equal(t[1].done, -EAGAIN);
	assert_int_equal(t[2].done, 0);
	assert_int_equal(t[3].done, -ECONNRESET);
	assert_int_equal(t[4].done, -EPIPE);
	assert_int_equal(t[5].done, 16);
	/* Found out, so that the next time needs no trial. */
	assert_true(t[0].socket);
	assert_false(t[5].socket);
	bufev_posix_transfer(NULL, t, 0);
	close_both(a);
	close_both(b);
	harness_close(c[0]);
	harness_close(d[0]);
	close_both(e);
}

static void wrap(int fd[2])
{
	char out[] = "worldhello ", in[11];

	for (size_t cut = 0; cut <= 11; cut++) {
		assert_int_equal(
			move_one(wrapped(move_of(fd[1], true, out, 11), cut)),
			11);
		memset(in, 0, sizeof(in));
		assert_int_equal(move_one(wrapped(move_of(fd[0], false, in, 11),
						  11 - cut)),
				 11);
		assert_memory_equal(in, out, 11);
	}
	close_both(fd);
}

static void test_two_pieces(void **state)
{
	int fd[2];

	(void)state;
	harness_pair(fd);
	wrap(fd);
	harness_tcp_pair(fd);
	wrap(fd);
	pipe_of(fd);
	wrap(fd);
}

/* Takes what there is room for; then says EAGAIN, and does not block. */
static void fill(int fd[2], bool two)
{
	struct transfer t = move_of(fd[1], true, large, LARGE);
	ssize_t n = move_one(two ? wrapped(t, LARGE / 2) : t), left;

	assert_in_range(n, 1, LARGE - 1);
	do
		left = move_one(t);
	while (left > 0);
	assert_int_equal(left, -EAGAIN);
	assert_int_equal(move_one(wrapped(t, 1)), -EAGAIN);
	close_both(fd);
}

static void test_short_writes(void **state)
{
	int fd[2];

	(void)state;
	for (int two = 0; two < 2; two++) {
		harness_pair(fd);
		fill(fd, two);
		harness_tcp_pair(fd);
		fill(fd, two);
		pipe_of(fd);
		fill(fd, two);
	}
}

static void test_nothing_to_read(void **state)
{
	char in[8];
	int fd[2];

	(void)state;
	/* It does not block, though the descriptor is a blocking one. */
	harness_pair(fd);
	assert_false(flags_of(fd[0]) & O_NONBLOCK);
	assert_int_equal(move_one(move_of(fd[0], false, in, 8)), -EAGAIN);
	assert_int_equal(move_one(wrapped(move_of(fd[0], false, in, 8), 4)),
			 -EAGAIN);
	close_both(fd);
	pipe_of(fd);
	assert_int_equal(move_one(move_of(fd[0], false, in, 8)), -EAGAIN);
	harness_close(fd[1]);
	assert_int_equal(move_one(move_of(fd[0], false, in, 8)), 0);
	harness_close(fd[0]);
	assert_int_equal(move_one(move_of(fd[0], false, in, 8)), -EBADF);
}

/* An end is one, whatever errno was left by another call. */
static void test_an_end_is_no_interruption(void **state)
{
	char c;
	int fd[2];

	(void)state;
	harness_pair(fd);
	assert_return_code(shutdown(fd[1], SHUT_WR), errno);
	errno = EINTR;
	assert_int_equal(move_one(move_of(fd[0], false, &c, 1)), 0);
	close_both(fd);
}

/* --- SIGPIPE ------------------------------------------------------------- */

static volatile sig_atomic_t caught;

static void count_signal(int signo)
{
	(void)signo;
	caught++;
}

static bool is_pending(int signo)
{
	sigset_t pending;

	assert_return_code(sigpending(&pending), errno);
	return sigismember(&pending, signo) == 1;
}

/* Every way to write to nobody. */
static void write_to_nobody(void)
{
	struct iovec v = { large, 8 };
	int a[2], b[2], c[2];

	harness_pair(a);
	harness_close(a[0]);
	pipe_of(b);
	harness_close(b[0]);
	assert_int_equal(move_one(move_of(a[1], true, large, 8)), -EPIPE);
	assert_int_equal(move_one(wrapped(move_of(a[1], true, large, 8), 4)),
			 -EPIPE);
	assert_int_equal(bufev_posix_move(a[1], true, &v, 1), -EPIPE);
	assert_int_equal(move_one(move_of(b[1], true, large, 8)), -EPIPE);
	assert_int_equal(move_one(wrapped(move_of(b[1], true, large, 8), 4)),
			 -EPIPE);
	assert_int_equal(bufev_posix_move(b[1], true, &v, 1), -EPIPE);
	harness_close(a[1]);
	harness_close(b[1]);
	/* And one that goes well. */
	pipe_of(c);
	assert_int_equal(bufev_posix_move(c[1], true, &v, 1), 8);
	close_both(c);
}

static void test_no_sigpipe(void **state)
{
	struct sigaction action = { .sa_handler = count_signal }, before, now;
	sigset_t mask, after;

	(void)state;
	caught = 0;
	assert_return_code(sigaction(SIGPIPE, &action, &before), errno);
	assert_return_code(sigprocmask(SIG_SETMASK, NULL, &mask), errno);
	write_to_nobody();
	assert_int_equal(caught, 0);
	assert_false(is_pending(SIGPIPE));
	/* Neither the mask nor the disposition has changed. */
	assert_return_code(sigprocmask(SIG_SETMASK, NULL, &after), errno);
	assert_int_equal(sigismember(&after, SIGPIPE),
			 sigismember(&mask, SIGPIPE));
	assert_return_code(sigaction(SIGPIPE, &before, &now), errno);
	assert_ptr_equal(now.sa_handler, count_signal);
}

/* One that was pending is the application's. */
static void test_pending_sigpipe_stays(void **state)
{
	struct sigaction action = { .sa_handler = count_signal }, before;
	sigset_t mask, old;

	(void)state;
	caught = 0;
	assert_return_code(sigaction(SIGPIPE, &action, &before), errno);
	sigemptyset(&mask);
	sigaddset(&mask, SIGPIPE);
	assert_return_code(sigprocmask(SIG_BLOCK, &mask, &old), errno);
	write_to_nobody();
	assert_false(is_pending(SIGPIPE));
	assert_return_code(raise(SIGPIPE), errno);
	write_to_nobody();
	assert_true(is_pending(SIGPIPE));
	assert_int_equal(caught, 0);
	assert_return_code(sigprocmask(SIG_SETMASK, &old, NULL), errno);
	assert_int_equal(caught, 1);
	assert_return_code(sigaction(SIGPIPE, &before, NULL), errno);
}

/* --- Life ---------------------------------------------------------------- */

static void test_adopt(void **state)
{
	struct kernel_fd is;
	int fd[2], before;

	(void)state;
	harness_pair(fd);
	before = flags_of(fd[0]);
	assert_int_equal(bufev_posix_adopt(NULL, fd[0], &is), 0);
	assert_true(is.socket);
	assert_true(is.writable);
	assert_true(is.was_blocking);
	assert_int_equal(flags_of(fd[0]), before | O_NONBLOCK);
	/* Again: now it was not blocking. */
	assert_int_equal(bufev_posix_adopt(NULL, fd[0], &is), 0);
	assert_false(is.was_blocking);
	bufev_posix_restore(NULL, fd[0]);
	assert_int_equal(flags_of(fd[0]), before);
	close_both(fd);
}

static void test_adopt_pipe(void **state)
{
	struct kernel_fd is;
	int fd[2];

	(void)state;
	assert_return_code(pipe2(fd, O_CLOEXEC), errno);
	assert_int_equal(bufev_posix_adopt(NULL, fd[0], &is), 0);
	assert_false(is.socket);
	assert_false(is.writable);
	assert_true(is.was_blocking);
	assert_int_equal(bufev_posix_adopt(NULL, fd[1], &is), 0);
	assert_false(is.socket);
	assert_true(is.writable);
	close_both(fd);
	assert_int_equal(bufev_posix_adopt(NULL, fd[0], &is), -EBADF);
	assert_int_equal(bufev_posix_adopt(NULL, -1, &is), -EBADF);
}

static void test_adopt_message_socket(void **state)
{
	struct kernel_fd is;
	int fd[2], types[] = { SOCK_DGRAM, SOCK_SEQPACKET };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_return_code(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC,
					      0, fd),
				   errno);
		assert_int_equal(bufev_posix_adopt(NULL, fd[0], &is), -EINVAL);
		assert_false(flags_of(fd[0]) & O_NONBLOCK);
		close_both(fd);
	}
}

static void test_close_and_shutdown(void **state)
{
	char in[8];
	int fd[2];

	(void)state;
	harness_pair(fd);
	assert_int_equal(bufev_posix_shutdown(NULL, fd[0]), 0);
	assert_int_equal(move_one(move_of(fd[1], false, in, 8)), 0);
	harness_send(fd[1], "x");
	assert_int_equal(move_one(move_of(fd[0], false, in, 8)), 1);
	bufev_posix_close_fd(NULL, fd[0]);
	assert_int_equal(fcntl(fd[0], F_GETFD), -1);
	harness_close(fd[1]);
	pipe_of(fd);
	assert_int_equal(bufev_posix_shutdown(NULL, fd[1]), -ENOTSOCK);
	close_both(fd);
}

/* --- Connections --------------------------------------------------------- */

static struct sockaddr_in loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static bool is_prepared(int fd)
{
	return (flags_of(fd) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int listener_on(struct sockaddr_in *a)
{
	socklen_t length = sizeof(*a);
	int fd;

	*a = loopback();
	fd = bufev_posix_listen(NULL, (struct sockaddr *)a, length, 0);
	assert_return_code(fd, -fd);
	assert_return_code(getsockname(fd, (struct sockaddr *)a, &length),
			   errno);
	return fd;
}

static void test_connection(void **state)
{
	struct sockaddr_in a, peer;
	socklen_t length = sizeof(peer);
	int listener = listener_on(&a), fd, accepted, outcome;

	(void)state;
	assert_true(is_prepared(listener));
	assert_int_equal(bufev_posix_accept(NULL, listener, NULL, NULL),
			 -EAGAIN);
	fd = bufev_posix_connect(NULL, (struct sockaddr *)&a, sizeof(a),
				 &outcome);
	assert_return_code(fd, -fd);
	assert_true(outcome == 0 || outcome == EINPROGRESS);
	assert_true(is_prepared(fd));
	accepted = bufev_posix_accept(NULL, listener, (struct sockaddr *)&peer,
				      &length);
	assert_return_code(accepted, -accepted);
	assert_true(is_prepared(accepted));
	assert_int_equal(length, sizeof(peer));
	assert_int_equal(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(bufev_posix_connected(NULL, fd), 0);
	assert_int_equal(bufev_posix_error(NULL, fd), 0);
	harness_close(fd);
	harness_close(accepted);
	harness_close(listener);
}

static void test_refused(void **state)
{
	struct sockaddr_in a;
	int listener = listener_on(&a), fd, outcome;

	(void)state;
	harness_close(listener);
	fd = bufev_posix_connect(NULL, (struct sockaddr *)&a, sizeof(a),
				 &outcome);
	assert_return_code(fd, -fd);
	if (outcome == EINPROGRESS)
		outcome = -bufev_posix_connected(NULL, fd);
	assert_int_equal(outcome, ECONNREFUSED);
	/* Asked once more, it is no success. */
	assert_true(bufev_posix_connected(NULL, fd) < 0);
	harness_close(fd);
}

static void test_bad_addresses(void **state)
{
	struct sockaddr_in a = loopback();
	struct sockaddr_un u = { .sun_family = AF_UNIX, .sun_path = "/none" };
	struct sockaddr *p = (struct sockaddr *)&a;
	int outcome;

	(void)state;
	for (socklen_t n = 0; n < sizeof(a); n++) {
		assert_int_equal(bufev_posix_listen(NULL, p, n, 0), -EINVAL);
		assert_int_equal(bufev_posix_connect(NULL, p, n, &outcome),
				 -EINVAL);
	}
	assert_int_equal(bufev_posix_listen(NULL, NULL, 16, 0), -EINVAL);
	assert_int_equal(bufev_posix_listen(NULL, (struct sockaddr *)&u,
					    sizeof(u) + 1, 0),
			 -EINVAL);
	a.sin_family = (sa_family_t)~0u;
	assert_int_equal(bufev_posix_listen(NULL, p, sizeof(a), 0),
			 -EAFNOSUPPORT);
	assert_int_equal(bufev_posix_connect(NULL, p, sizeof(a), &outcome),
			 -EAFNOSUPPORT);
}

static void test_clock(void **state)
{
	uint64_t before = bufev_posix_now(NULL), ms = harness_now_ms(), after;

	(void)state;
	after = bufev_posix_now(NULL);
	assert_true(before <= after);
	assert_true(before / 1000000 <= ms);
	assert_true(after / 1000000 >= ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_batch),
		harness_test(test_two_pieces),
		harness_test(test_short_writes),
		harness_test(test_nothing_to_read),
		harness_test(test_an_end_is_no_interruption),
		harness_test(test_no_sigpipe),
		harness_test(test_pending_sigpipe_stays),
		harness_test(test_adopt),
		harness_test(test_adopt_pipe),
		harness_test(test_adopt_message_socket),
		harness_test(test_close_and_shutdown),
		harness_test(test_connection),
		harness_test(test_refused),
		harness_test(test_bad_addresses),
		harness_test(test_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
