/* SPDX-License-Identifier: MIT */
/*
 * Tests of a session, on the simulated kernel: a line is answered by "OK", and
 * "BYE" ends it.  See simulated-kernel.md.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bufev.h>
#include <bufev/sim.h>

/* --- What is tested ------------------------------------------------------ */

static int answered;

static void heard(struct bufferevent *stream, unsigned what)
{
	char *line;

	(void)what;
	while ((line = evbuffer_readln(bufferevent_get_read(stream), NULL,
				       EVBUFFER_EOL_CRLF))) {
		bool bye = strcmp(line, "BYE") == 0;

		free(line);
		if (bye) {
			bufferevent_finish(stream);
			return;
		}
		answered++;
		bufferevent_write(stream, "OK\r\n", 4);
	}
}

static void ended(struct bufferevent *stream, unsigned what)
{
	(void)what;
	bufferevent_finish(stream);
}

static void session_begin(struct reactor *r, int fd)
{
	struct bufferevent *stream =
		bufferevent_new_on(r, fd, heard, NULL, ended);

	bufferevent_own_fd(stream, true);
	bufferevent_enable(stream, EV_READ);
}

/* --- The tests ----------------------------------------------------------- */

static void a_line_in_two_pieces(void)
{
	struct reactor *r = sim_new(1);
	char answer[8];
	int fd[2];

	sim_pair(r, fd);
	session_begin(r, fd[0]);       /* yours: bufferevent_new_on(r, ...) */
	sim_write(r, fd[1], "HEL", 3); /* the test is the peer */
	reactor_turn(r, 0);
	sim_write(r, fd[1], "LO\r\n", 4);
	reactor_turn(r, 0);
	assert(sim_read(r, fd[1], answer, sizeof(answer)) == 4);
	sim_write(r, fd[1], "BYE\r\n", 5);
	assert(reactor_run(r) == 0); /* nothing is left */
	reactor_free(r);
}

static void sent(struct bufferevent *stream, unsigned what)
{
	(void)stream, (void)what;
}

/* A client with a bufferevent of its own, for the other end. */
static void client_begin(struct reactor *r, int fd)
{
	struct bufferevent *stream =
		bufferevent_new_on(r, fd, sent, NULL, ended);

	bufferevent_own_fd(stream, true);
	bufferevent_enable(stream, EV_READ);
	bufferevent_write(stream, "ONE\r\nTWO\r\nBYE\r\n", 15);
}

static int a_thousand_runs(void)
{
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct reactor *r = sim_new(seed);
		struct sim_faults faults = { .short_read = 300,
					     .short_write = 300,
					     .delay_max = 50,
					     .capacity = 100 };
		bool reset = sim_random(r, 2);
		int fd[2];

		faults.reset_at = reset ? 1 + sim_random(r, 15) : 0;
		sim_set_faults(r, &faults);
		answered = 0;
		sim_pair(r, fd);
		session_begin(r, fd[0]);
		client_begin(r, fd[1]);
		if (reactor_run(r) < 0 || sim_open_fds(r) > 0 ||
		    (!reset && answered != 2))
			return printf("seed %" PRIu64 "\n", sim_seed(r)), 1;
		reactor_free(r);
	}
	return 0;
}

/* What the peer says when nothing else can happen; the last is the end. */
struct script {
	const char *const *line;
	struct reactor *reactor;
	int fd;
};

static bool next_step(struct script *script)
{
	const char *line = *script->line++;

	if (!line)
		return false;
	sim_write(script->reactor, script->fd, line, strlen(line));
	return true;
}

static void a_script(void)
{
	static const char *const lines[] = { "ONE\r\n", "TWO\r\n", "BYE\r\n",
					     NULL };
	struct reactor *r = sim_new(1);
	struct script peer = { lines, r, -1 }, *script = &peer;
	int fd[2];

	sim_pair(r, fd);
	peer.fd = fd[1];
	session_begin(r, fd[0]);
	answered = 0;
	while (reactor_run(r) < 0 && errno == EDEADLK && next_step(script))
		continue;
	assert(answered == 2);
	reactor_free(r);
}

int main(void)
{
	a_line_in_two_pieces();
	a_script();
	return a_thousand_runs();
}
