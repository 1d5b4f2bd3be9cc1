/* SPDX-License-Identifier: MIT */

/*
 * The simulated kernel: its table of functions, asked what no reactor asks,
 * and its table of descriptors, when that is full.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <bufev/net.h>

#include "reactor.h"
#include "support/simulated.h"

static struct sockaddr_in address = { .sin_family = AF_INET };

static void setup_address(void)
{
	address.sin_port = htons(7000);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* As recv(2) on a socket, which tells no end of file by that. */
static void a_transfer_of_nothing(void **state)
{
	struct reactor *r = simulated_reactor(state);
	char byte = 'x';
	struct transfer t = { .socket = true, .pieces = 1, .done = -EIO };
	int fd[2];

	simulated_pair(r, fd);
	assert_int_equal(sim_write(r, fd[1], "hello", 5), 5);
	t.fd = fd[0];
	t.v[0] = (struct iovec){ &byte, 0 };
	r->kernel->transfer(r->self, &t, 1);
	assert_int_equal(t.done, 0);
	assert_int_equal(byte, 'x');
	simulated_gets(r, fd[0], "hello");
	sim_close(r, fd[0]);
	sim_close(r, fd[1]);
}

/* What is on its way has not been delivered; what has arrived has. */
static void what_is_undelivered(void **state)
{
	struct reactor *r = simulated_reactor(state);
	const struct sim_faults slow = { .delay_min = 10, .delay_max = 10 };
	int fd[2];

	assert_int_equal(sim_set_faults(r, &slow), 0);
	simulated_pair(r, fd);
	assert_false(r->kernel->undelivered(r->self, fd[0]));
	assert_int_equal(sim_write(r, fd[0], "hello", 5), 5);
	assert_true(r->kernel->undelivered(r->self, fd[0]));
	assert_false(r->kernel->undelivered(r->self, fd[1]));
	sim_pass(r, 20);
	assert_false(r->kernel->undelivered(r->self, fd[0]));
	simulated_gets(r, fd[1], "hello");
	sim_close(r, fd[0]);
	sim_close(r, fd[1]);
	assert_false(r->kernel->undelivered(r->self, fd[0]));
}

static int accepted;

static void accept_it(struct bufferevent_listener *l, int fd,
		      const struct sockaddr *peer, socklen_t length, void *data)
{
	(void)l;
	(void)peer;
	(void)length;
	sim_close(data, fd);
	accepted++;
}

/* All descriptors are in use: a connection waits until one is not. */
static void a_full_table(void **state)
{
	struct reactor *r = simulated_reactor(state);
	struct sockaddr *any = (struct sockaddr *)&address;
	struct bufferevent_listener *l;
	int client, fd[2], pairs = 0;

	setup_address();
	l = bufferevent_listen(r, any, sizeof(address), 0, accept_it, r);
	assert_non_null(l);
	client = sim_connect(r, any, sizeof(address));
	assert_true(client >= 0);
	while (sim_pair(r, fd) == 0)
		pairs++;
	assert_int_equal(errno, EMFILE);
	assert_int_equal(pairs, (SIM_MOST_FDS - 2) / 2);
	accepted = 0;
	harness_spin(r, 5);
	assert_int_equal(accepted, 0);
	sim_close(r, client + 1);
	for (int i = 0; accepted == 0; i++) {
		assert_true(i < 5);
		assert_true(reactor_turn(r, 1000) >= 0);
	}
	assert_int_equal(accepted, 1);
	bufferevent_listener_free(l);
	sim_close(r, client);
	for (int i = 1; i < 2 * pairs; i++)
		sim_close(r, client + 1 + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		simulated_test(a_transfer_of_nothing),
		simulated_test(what_is_undelivered),
		simulated_test(a_full_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
