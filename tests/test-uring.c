/* SPDX-License-Identifier: MIT */

/*
 * The backend "uring" where io_uring works: batches of every kind, and a ring
 * that fails while it is used.  Where it does not work, nothing is tested:
 * test-uring-missing is for that.
 */

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "contract/child.h"
#include "seccomp.h"
#include "storm.h"

/* What is in the children's stderr when they fail. */
static int report(const char *wrong)
{
	if (wrong)
		fprintf(stderr, "%s (%s)\n", wrong, strerror(errno));
	return wrong != NULL;
}

static void is_right(const char *wrong)
{
	if (wrong)
		fail_msg("%s", wrong);
}

/* How many rings this process has open, and one of them. */
static int count_rings(int *ring)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	char target[64];
	ssize_t n;
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), entry->d_name, target,
			       sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (!strstr(target, "[io_uring]"))
			continue;
		count++;
		*ring = atoi(entry->d_name);
	}
	closedir(dir);
	return count;
}

static struct storm storm;
static void *self;

/* The probe's ring stays with the first; here nobody has one yet. */
static int setup(void **state)
{
	if (harness_setup(state) < 0)
		return -1;
	self = bufev_kernel_uring.open();
	return self ? 0 : -1;
}

static int teardown(void **state)
{
	bufev_kernel_uring.close(self);
	return harness_teardown(state);
}

static void begin(int n, bool pipes)
{
	assert_true(storm_open(&storm, &bufev_kernel_uring, self, n, pipes));
}

static void end(void)
{
	storm_close(&storm);
}

/* --- Batches ------------------------------------------------------------- */

static void test_partial(void **state)
{
	(void)state;
	begin(40, false);
	is_right(storm_rage(&storm, 200));
	assert_int_not_equal(storm.partial, 0);
	assert_int_not_equal(storm.full, 0);
	assert_int_not_equal(storm.empty, 0);
	end();
}

static void test_no_sockets_among_them(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		begin(40, true);
		storm.told = told;
		is_right(storm_rage(&storm, 100));
		end();
	}
}

static void test_every_size(void **state)
{
	static const int sizes[] = { 1,	 2,  3,	 4,  5,	  6,   63,
				     64, 65, 66, 67, 128, 131, STORM_MOST };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin(sizes[i], i % 2);
		is_right(storm_rage(&storm, 5));
		end();
	}
}

static struct transfer move_of(int fd, bool write, char *bytes, size_t n)
{
	struct transfer t = {
		.fd = fd, .write = write, .socket = true, .pieces = 1
	};

	t.v[0].iov_base = bytes;
	t.v[0].iov_len = n;
	return t;
}

/* Each has its own outcome, and none disturbs the others. */
static void outcomes(void)
{
	int good[2], ended[2], reset[2], closed, listener;
	char in[6][8], out[] = "bytes";
	struct transfer t[9];

	harness_pair(good);
	harness_pair(ended);
	harness_tcp_pair(reset);
	harness_send(good[1], "hello");
	harness_close(ended[1]);
	harness_reset(reset[1]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The ring must not get its number. */
	closed = fcntl(listener, F_DUPFD_CLOEXEC, 900);
	harness_close(closed);
	t[0] = move_of(closed, false, in[0], 8);
	t[1] = move_of(good[0], false, in[1], 8);
	t[2] = move_of(good[1], false, in[2], 8);
	t[3] = move_of(ended[0], false, in[3], 8);
	t[4] = move_of(reset[0], false, in[4], 8);
	t[5] = move_of(listener, false, in[5], 8);
	t[6] = move_of(ended[0], true, out, 5);
	t[7] = move_of(closed, true, out, 5);
	t[8] = move_of(good[0], true, out, 5);
	bufev_kernel_uring.transfer(self, t, 9);
	assert_int_equal(t[0].done, -EBADF);
	assert_int_equal(t[1].done, 5);
	assert_memory_equal(in[1], "hello", 5);
	assert_int_equal(t[2].done, -EAGAIN);
	assert_int_equal(t[3].done, 0);
	assert_int_equal(t[4].done, -ECONNRESET);
	assert_int_equal(t[5].done, -ENOTCONN);
	assert_int_equal(t[6].done, -EPIPE);
	assert_int_equal(t[7].done, -EBADF);
	assert_int_equal(t[8].done, 5);
	harness_close(good[0]);
	harness_close(good[1]);
	harness_close(ended[0]);
	harness_close(reset[0]);
	harness_close(listener);
}

static void test_outcomes(void **state)
{
	int ring;

	(void)state;
	outcomes();
	outcomes();
	assert_int_equal(count_rings(&ring), 1);
}

static void test_wrapped(void **state)
{
	char out[4][12], in[4][12];
	struct transfer t[4];
	int fd[4][2];

	(void)state;
	for (int i = 0; i < 4; i++)
		harness_pair(fd[i]);
	for (size_t cut = 0; cut <= 11; cut++) {
		for (int way = 1; way >= 0; way--) {
			for (int i = 0; i < 4; i++) {
				char *bytes = way ? out[i] : in[i];

				memcpy(out[i], "worldhello ", 12);
				memset(in[i], 0, 12);
				t[i] = move_of(fd[i][way], way, bytes + cut,
					       11 - cut);
				t[i].pieces = 2;
				t[i].v[1].iov_base = bytes;
				t[i].v[1].iov_len = cut;
			}
			bufev_kernel_uring.transfer(self, t, 4);
			for (int i = 0; i < 4; i++)
				assert_int_equal(t[i].done, 11);
		}
		for (int i = 0; i < 4; i++)
			assert_string_equal(in[i], "worldhello ");
	}
	for (int i = 0; i < 4; i++) {
		harness_close(fd[i][0]);
		harness_close(fd[i][1]);
	}
}

/* One socket is a batch, too, and nothing of it is left for the next. */
static void test_one_among_pipes(void **state)
{
	struct transfer t[3];
	int fd[2], pipes[2];
	char got[9], bytes[] = "sopq";

	(void)state;
	harness_pair(fd);
	assert_return_code(pipe(pipes), errno);
	for (int i = 0; i < 3; i++) {
		t[0] = move_of(fd[1], true, bytes, 2);
		t[1] = move_of(pipes[1], true, bytes + 2, 1);
		t[2] = move_of(pipes[1], true, bytes + 3, 1);
		t[1].socket = t[2].socket = false;
		bufev_kernel_uring.transfer(self, t, 3);
		assert_true(t[0].done == 2 && t[1].done == 1 && t[2].done == 1);
	}
	assert_int_equal(recv(fd[0], got, sizeof(got), MSG_DONTWAIT), 6);
	assert_memory_equal(got, "sososo", 6);
	assert_int_equal(read(pipes[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "pqpqpq", 6);
	for (int i = 0; i < 2; i++) {
		harness_close(fd[i]);
		harness_close(pipes[i]);
	}
}

/* What the ring does not move has this outcome. */
static bool refuse_plain_calls(void)
{
#ifdef SYS_socketcall /* one call for all of them, on i386 */
	if (!seccomp_refuse(SYS_socketcall, EDOM))
		return false;
#endif
	return seccomp_refuse(SYS_sendto, EDOM) &&
	       seccomp_refuse(SYS_sendmsg, EDOM) &&
	       seccomp_refuse(SYS_recvfrom, EDOM) &&
	       seccomp_refuse(SYS_recvmsg, EDOM);
}

static int move_without_calls(void *arg)
{
	char bytes[5];
	struct transfer t[5];

	(void)arg;
	memset(bytes, 'x', sizeof(bytes));
	if (!refuse_plain_calls())
		return report("no filter");
	for (int i = 0; i < 5; i++)
		t[i] = move_of(storm.stream[i].fd[1], true, bytes + i, 1);
	bufev_kernel_uring.transfer(self, t, 2);
	if (t[0].done != -EDOM || t[1].done != -EDOM)
		return report("two made a batch");
	bufev_kernel_uring.transfer(self, t, 3);
	for (int i = 0; i < 3; i++)
		if (t[i].done != 1)
			return report("three made none");
	/* At one that cannot be, the kernel stops; the ring goes on. */
	t[2].v[0].iov_base = (void *)UINTPTR_MAX;
	for (int round = 0; round < 2; round++) {
		bufev_kernel_uring.transfer(self, t, 5);
		for (int i = 0; i < 5; i++)
			if (t[i].done != (i == 2 ? -EFAULT : 1))
				return report("a bad one disturbed others");
	}
	return 0;
}

static void test_the_ring_moves_it(void **state)
{
	(void)state;
	begin(5, false);
	child_succeeds(move_without_calls, NULL);
	end();
}

static void test_opened_when_it_pays(void **state)
{
	int ring;

	(void)state;
	assert_int_equal(count_rings(&ring), 0);
	begin(2, false);
	is_right(storm_rage(&storm, 3));
	assert_int_equal(count_rings(&ring), 0);
	end();
	begin(3, false);
	is_right(storm_rage(&storm, 3));
	assert_int_equal(count_rings(&ring), 1);
	end();
}

static void test_many(void **state)
{
	enum { MANY = 200 };
	void *many[MANY];
	int ring;

	(void)state;
	begin(4, false);
	for (int i = 0; i < MANY; i++) {
		many[i] = bufev_kernel_uring.open();
		assert_non_null(many[i]);
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++) {
			storm.self = many[i];
			is_right(storm_rage(&storm, 1));
		}
	assert_int_equal(count_rings(&ring), MANY);
	for (int i = 0; i < MANY; i++)
		bufev_kernel_uring.close(many[i]);
	end();
}

/* --- Signals, threads, fork ---------------------------------------------- */

static volatile sig_atomic_t signals;

static void count_signal(int signo)
{
	(void)signo;
	signals++;
}

static void test_signals(void **state)
{
	enum { ENOUGH = 50, EVERY_NS = 500000 };
	struct sigaction act = { .sa_handler = count_signal }, before;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec often = { .it_interval.tv_nsec = EVERY_NS,
				    .it_value.tv_nsec = EVERY_NS };
	timer_t timer;

	(void)state;
	signals = 0;
	begin(64, true);
	assert_return_code(sigaction(SIGUSR1, &act, &before), errno);
	assert_return_code(timer_create(CLOCK_MONOTONIC, &event, &timer),
			   errno);
	assert_return_code(timer_settime(timer, 0, &often, NULL), errno);
	for (int i = 0; i < 1000 && signals < ENOUGH; i++)
		is_right(storm_rage(&storm, 5));
	timer_delete(timer);
	sigaction(SIGUSR1, &before, NULL);
	assert_true(signals >= ENOUGH);
	end();
}

static void *rage(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)storm_rage(&storm, 15);
}

static void test_another_thread(void **state)
{
	pthread_t thread;
	void *wrong;

	(void)state;
	begin(70, true);
	/* Opened there, used here, closed there. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&thread, NULL, rage, NULL), 0);
		assert_int_equal(pthread_join(thread, &wrong), 0);
		is_right(wrong);
		is_right(rage(NULL));
	}
	end();
}

static void echo(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_write_buffer(b, bufferevent_get_read(b));
}

static void never(struct bufferevent *b, unsigned what)
{
	(void)b;
	(void)what;
}

/* A turn to find them ready, which may be cut short, and one more. */
static void *turn(void *reactor)
{
	int callbacks = 0;

	for (int i = 0; i < 10 && callbacks < 8; i++)
		callbacks += reactor_turn(reactor, 1000);
	return NULL;
}

static void test_reactor_in_another_thread(void **state)
{
	struct reactor *r = reactor_new("uring");
	struct bufferevent *b[8];
	int fd[8][2], ring;
	pthread_t thread;

	(void)state;
	assert_non_null(r);
	assert_string_equal(reactor_backend(r), "uring");
	for (int i = 0; i < 8; i++) {
		harness_pair(fd[i]);
		b[i] = bufferevent_new_on(r, fd[i][0], echo, NULL, never);
		assert_non_null(b[i]);
		assert_int_equal(bufferevent_enable(b[i], EV_READ), 0);
		harness_send(fd[i][1], "hello");
	}
	assert_int_equal(pthread_create(&thread, NULL, turn, r), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(count_rings(&ring), 1);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(harness_drain(fd[i][1]), 5);
		bufferevent_free(b[i]);
		harness_close(fd[i][0]);
		harness_close(fd[i][1]);
	}
	reactor_free(r);
}

static int rage_in_the_child(void *arg)
{
	static struct storm own;
	const char *wrong;
	int ring;

	(void)arg;
	if (bufev_kernel_uring.fork(self) != 0 || count_rings(&ring) != 0)
		return report("it is still the parent's");
	if (!storm_open(&own, &bufev_kernel_uring, self, 70, true))
		return report("no storm");
	wrong = storm_rage(&own, 20);
	if (!wrong && count_rings(&ring) != 1)
		wrong = "it has no ring";
	storm_close(&own);
	bufev_kernel_uring.close(self);
	return report(wrong);
}

static void test_fork(void **state)
{
	(void)state;
	begin(70, true);
	for (int i = 0; i < 3; i++) {
		is_right(storm_rage(&storm, 5));
		child_succeeds(rage_in_the_child, NULL);
	}
	is_right(storm_rage(&storm, 5));
	end();
}

/* --- A ring that fails --------------------------------------------------- */

static void test_lost_ring(void **state)
{
	int ring;

	(void)state;
	begin(100, true);
	is_right(storm_rage(&storm, 5));
	assert_int_equal(count_rings(&ring), 1);
	harness_close(ring);
	is_right(storm_rage(&storm, 5));
	assert_int_equal(count_rings(&ring), 0);
	end();
}

static int refuse_later(void *arg)
{
	const char *wrong = storm_rage(&storm, 5);

	if (!wrong && !seccomp_refuse(*(const long *)arg, EPERM))
		wrong = "no filter";
	if (!wrong)
		wrong = storm_rage(&storm, 5);
	return report(wrong);
}

static void test_refused_later(void **state)
{
	static const long calls[] = { SYS_io_uring_enter, SYS_io_uring_setup };

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(100, true);
		child_succeeds(refuse_later, (void *)(uintptr_t)&calls[i]);
		end();
	}
}

/* Opened, but refused at the first batch that pays. */
static int refuse_at_first(void *arg)
{
	const char *wrong = NULL;

	if (!seccomp_refuse(*(const long *)arg, EPERM))
		wrong = "no filter";
	if (!wrong)
		wrong = storm_rage(&storm, 5);
	return report(wrong);
}

static void test_refused_at_first(void **state)
{
	static const long calls[] = { SYS_io_uring_setup, SYS_io_uring_enter,
				      SYS_mmap };

	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(20, true);
		child_succeeds(refuse_at_first, (void *)(uintptr_t)&calls[i]);
		end();
	}
}

#define uring_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		uring_test(test_partial),
		uring_test(test_no_sockets_among_them),
		uring_test(test_every_size),
		uring_test(test_outcomes),
		uring_test(test_wrapped),
		uring_test(test_one_among_pipes),
		uring_test(test_the_ring_moves_it),
		uring_test(test_opened_when_it_pays),
		uring_test(test_many),
		uring_test(test_signals),
		uring_test(test_another_thread),
		uring_test(test_reactor_in_another_thread),
		uring_test(test_fork),
		uring_test(test_lost_ring),
		uring_test(test_refused_later),
		uring_test(test_refused_at_first),
	};
	void *first = bufev_kernel_uring.open();

	if (!first) {
		print_message("# io_uring does not work here\n");
		return 77;
	}
	bufev_kernel_uring.close(first);
	return cmocka_run_group_tests_name("uring", tests, NULL, NULL);
}
