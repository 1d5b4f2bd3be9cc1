/* SPDX-License-Identifier: MIT */

/*
 * A signal's handler that runs in another thread, held up where it rings the
 * bell: nobody may take the bell away from under it.
 *
 * The library's write(2) is the one below.
 */

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "contract/later.h"

/* Is this the thread that is to be held up? */
static _Thread_local bool held;

static int bell[2], go[2]; /* pipes: it is at the bell; it may go on */
static int has_rung;	   /* atomic */

ssize_t write(int fd, const void *data, size_t n)
{
	char byte = 'x';

	if (!held)
		return syscall(SYS_write, fd, data, n);
	syscall(SYS_write, bell[1], &byte, 1);
	assert_int_equal(read(go[0], &byte, 1), 1);
	n = (size_t)syscall(SYS_write, fd, data, n);
	__atomic_store_n(&has_rung, 1, __ATOMIC_SEQ_CST);
	return (ssize_t)n;
}

static void *raise_it(void *arg)
{
	held = true;
	raise(SIGUSR1);
	return arg;
}

static void let_go(void *arg)
{
	assert_int_equal(syscall(SYS_write, go[1], arg, 1), 1);
}

static void caught(struct reactor_signal *s, int signo)
{
	(void)s;
	(void)signo;
}

static void test_a_handler_at_the_bell(void **state)
{
	struct fixture *f = *state;
	struct reactor_signal s = { .caught = caught };
	struct later later;
	pthread_t thread;
	char byte = 'x';

	assert_int_equal(pipe(bell), 0);
	assert_int_equal(pipe(go), 0);
	assert_int_equal(reactor_signal_start(f->reactor, &s, SIGUSR1), 0);
	assert_int_equal(pthread_create(&thread, NULL, raise_it, NULL), 0);
	assert_int_equal(read(bell[0], &byte, 1), 1);
	later_begin(&later, 20, let_go, &byte);
	reactor_signal_stop(&s);
	assert_true(__atomic_load_n(&has_rung, __ATOMIC_SEQ_CST));
	later_end(&later);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (int i = 0; i < 2; i++) {
		harness_close(bell[i]);
		harness_close(go[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		harness_test(test_a_handler_at_the_bell),
	};

	return cmocka_run_group_tests_name("signal-handler", tests, NULL, NULL);
}
