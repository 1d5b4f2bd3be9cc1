/* SPDX-License-Identifier: MIT */

/* Backends with more than they can report at once, disturbed, and doubled. */

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels.h"
#include "ration.h"

enum { MANY = 150, FDS = 1024, NS_PER_MS = 1000000 };

/* --- Many ---------------------------------------------------------------- */

static int many[MANY][2];

/* How often each descriptor was reported. */
static int served[FDS];

static void open_many(void)
{
	memset(served, 0, sizeof(served));
	for (int i = 0; i < MANY; i++) {
		harness_pair(many[i]);
		harness_send(many[i][1], "x");
		set(many[i][0], 0, KERNEL_READ);
	}
}

static void serve(void)
{
	wait_ms(0);
	for (int i = 0; i < count; i++) {
		assert_in_range(events[i].fd, 0, FDS - 1);
		served[events[i].fd]++;
	}
}

static void close_many(void)
{
	for (int i = 0; i < MANY; i++) {
		harness_close(many[i][0]);
		harness_close(many[i][1]);
	}
}

/* How many have been reported less than `times` times. */
static int behind(int times)
{
	int n = 0;

	for (int i = 0; i < MANY; i++)
		n += served[many[i][0]] < times;
	return n;
}

static void test_many_are_served_in_turn(void **state)
{
	(void)state;
	open_many();
	for (int waits = 1; waits <= 30; waits++) {
		serve();
		assert_int_equal(count, KERNEL_BATCH);
		/* Nobody is left behind by more than a batch. */
		assert_int_equal(behind((waits - 1) * KERNEL_BATCH / MANY), 0);
	}
	close_many();
}

/* Who is served leaves and comes again; some are left, and must not starve. */
static void test_comers_do_not_push_in(void **state)
{
	(void)state;
	open_many();
	for (int waits = 0; waits < 12; waits++) {
		serve();
		assert_int_equal(count, KERNEL_BATCH);
		for (int i = 0; i < count; i++) {
			int fd = events[i].fd;

			/* All but every third. */
			if (fd % 3 == 0)
				continue;
			set(fd, KERNEL_READ, 0);
			set(fd, 0, KERNEL_READ);
		}
	}
	assert_int_equal(behind(2), 0);
	close_many();
}

/* In whatever order they leave, those that stay are known. */
static void test_many_leave(void **state)
{
	(void)state;
	open_many();
	wait_ms(0);
	for (int i = 0; i < MANY; i++)
		if (i * 7 % MANY % 2 == 0)
			set(many[i * 7 % MANY][0], KERNEL_READ, 0);
	for (int waits = 0; waits < 4; waits++)
		serve();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(served[many[i][0]] > 0, i % 2 != 0);
	close_many();
}

/* Broken ones that nobody unregisters leave room for the others. */
static void test_many_broken_pipes(void **state)
{
	int fd[MANY][2];

	(void)state;
	open_many();
	for (int i = 0; i < MANY; i++) {
		open_pipe(fd[i]);
		harness_close(fd[i][0]);
		set(fd[i][1], 0, KERNEL_WRITE);
	}
	for (int waits = 0; waits < 12; waits++)
		serve();
	assert_int_equal(behind(1), 0);
	for (int i = 0; i < MANY; i++) {
		assert_true(served[fd[i][1]] > 0);
		set(fd[i][1], KERNEL_WRITE, 0);
		harness_close(fd[i][1]);
	}
	close_many();
}

/* --- Out of memory ------------------------------------------------------- */

static void test_no_memory(void **state)
{
	int refused[MANY], error;

	(void)state;
	open_many();
	for (int i = 0; i < MANY; i++)
		set(many[i][0], KERNEL_READ, 0);
	kernel->close(self);
	self = kernel->open();
	assert_non_null(self);
	bufev_set_allocator(ration_allocate, ration_release);
	for (int i = 0; i < MANY; i++) {
		ration.left = i % 2;
		error = kernel->set(self, many[i][0], 0, KERNEL_READ);
		assert_true(error == 0 || error == -ENOMEM);
		refused[i] = error != 0;
	}
	ration.left = RATION_FREE;
	for (int waits = 0; waits < 6; waits++)
		serve();
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(served[many[i][0]] == 0, refused[i]);
		if (refused[i])
			set(many[i][0], 0, KERNEL_READ);
	}
	bufev_set_allocator(NULL, NULL);
	for (int waits = 0; waits < 6; waits++)
		serve();
	assert_int_equal(behind(1), 0);
	close_many();
}

static void test_no_memory_for_broken_pipes(void **state)
{
	int fd[2], error;

	(void)state;
	open_pipe(fd);
	harness_close(fd[0]);
	bufev_set_allocator(ration_allocate, ration_release);
	ration.left = 0;
	error = kernel->set(self, fd[1], 0, KERNEL_WRITE);
	assert_true(error == 0 || error == -ENOMEM);
	if (error == -ENOMEM)
		expect_nothing();
	ration.left = RATION_FREE;
	set(fd[1], 0, KERNEL_WRITE);
	bufev_set_allocator(NULL, NULL);
	expect(fd[1], KERNEL_WRITE, KERNEL_WRITE | KERNEL_LOSS);
	set(fd[1], KERNEL_WRITE, 0);
	expect_nothing();
	harness_close(fd[1]);
}

/* --- Interrupts and children --------------------------------------------- */

static volatile sig_atomic_t caught;

static void count_signal(int signo)
{
	(void)signo;
	caught++;
}

/* Every 5 ms, as long as it is there. */
static void signal_parent(pid_t parent)
{
	const struct timespec pause = { 0, 5 * NS_PER_MS };

	while (parent == getppid() && kill(parent, SIGUSR1) == 0)
		nanosleep(&pause, NULL);
	_exit(0);
}

static void test_interrupted(void **state)
{
	struct sigaction action = { .sa_handler = count_signal }, before;
	pid_t parent = getpid(), child;

	(void)state;
	caught = 0;
	assert_return_code(sigaction(SIGUSR1, &action, &before), errno);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0)
		signal_parent(parent);
	/*
	 * Without an interrupt it would wait longer than a test may take.  The
	 * first may be none of ours: an io_uring that was closed before ends
	 * its work in the name of this thread.
	 */
	do
		assert_int_equal(wait_ms(3600 * 1000), 0);
	while (!caught);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	sigaction(SIGUSR1, &before, NULL);
}

/* What is seen in the child, as a number that says where it went wrong. */
static int run_child(int inherited, int fd[2])
{
	if (kernel->fork(self) < 0)
		return 1;
	if (kernel->wait(self, events, 0) != 0)
		return 2;
	if (kernel->set(self, fd[0], 0, KERNEL_READ) != 0)
		return 3;
	if (kernel->wait(self, events, 1000) != 1 || events[0].fd != fd[0])
		return 4;
	if (kernel->set(self, inherited, 0, KERNEL_LOSS) != 0)
		return 5;
	if (kernel->set(self, inherited, KERNEL_LOSS, 0) != 0)
		return 6;
	kernel->close(self);
	return 0;
}

static void test_fork(void **state)
{
	int parent[2], child[2], status;
	pid_t pid;

	(void)state;
	harness_pair(parent);
	harness_pair(child);
	set(parent[0], 0, KERNEL_READ);
	harness_send(parent[1], "x");
	harness_send(child[1], "x");
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(run_child(parent[0], child));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* The parent's registrations are as they were. */
	expect(parent[0], KERNEL_READ, KERNEL_READ);
	set(parent[0], KERNEL_READ, 0);
	expect_nothing();
	for (int i = 0; i < 2; i++) {
		harness_close(parent[i]);
		harness_close(child[i]);
	}
}

static int run(const char *backend)
{
	const struct CMUnitTest tests[] = {
		kernel_test(test_many_are_served_in_turn),
		kernel_test(test_comers_do_not_push_in),
		kernel_test(test_many_leave),
		kernel_test(test_many_broken_pipes),
		kernel_test(test_no_memory),
		kernel_test(test_no_memory_for_broken_pipes),
		kernel_test(test_interrupted),
		kernel_test(test_fork),
	};

	return cmocka_run_group_tests_name(backend, tests, NULL, NULL);
}

int main(void)
{
	return run_on_each(run);
}
