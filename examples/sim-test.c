/* SPDX-License-Identifier: MIT */

/*
 * sim-test [--bug] [SEED]: tests a protocol on the simulated kernel, with a
 * thousand seeds, or with just one, which is traced on stderr.
 *
 * The protocol: the client sends numbers, one a line; the server answers each
 * with the sum so far.  Every run cuts reads and writes short, delays and
 * bounds what is on its way, and one run of three resets the connection
 * somewhere.  --bug has a server for which a read ends where a line does.
 *
 *   cc -o sim-test sim-test.c $(pkg-config --cflags --libs bufev)
 *   ./sim-test --bug
 */

#include <bufev.h>
#include <bufev/sim.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { SEEDS = 1000, NUMBERS = 20 };

static struct run {
	struct reactor *reactor;
	bool bug, resets;
	long sum, answers; /* the server's sum, the answers that were heard */
	const char *wrong;
} run;

/* --- What is tested ------------------------------------------------------ */

static void serve(struct bufferevent *b, unsigned what)
{
	char *line;

	(void)what;
	while ((line = evbuffer_readline(bufferevent_get_read(b)))) {
		run.sum += atol(line);
		evbuffer_add_printf(bufferevent_get_write(b), "%ld\n", run.sum);
		free(line);
	}
}

static void serve_badly(struct bufferevent *b, unsigned what)
{
	char text[1024];
	size_t n = bufferevent_read(b, text, sizeof(text) - 1);

	(void)what;
	text[n] = '\0';
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		run.sum += atol(line);
		evbuffer_add_printf(bufferevent_get_write(b), "%ld\n", run.sum);
	}
}

static void finish(struct bufferevent *b, unsigned what)
{
	(void)what;
	bufferevent_finish(b);
}

static void accepted(struct bufferevent_listener *l, int fd,
		     const struct sockaddr *peer, socklen_t size, void *data)
{
	struct bufferevent *b = bufferevent_new_on(
		run.reactor, fd, run.bug ? serve_badly : serve, NULL, finish);

	(void)peer, (void)size, (void)data;
	bufferevent_own_fd(b, true);
	bufferevent_enable(b, EV_READ);
	bufferevent_listener_free(l);
}

/* --- The client, which knows the answers --------------------------------- */

static void heard(struct bufferevent *b, unsigned what)
{
	char *line;

	(void)what;
	while ((line = evbuffer_readline(bufferevent_get_read(b)))) {
		run.answers++;
		if (atol(line) != 997 * run.answers * (run.answers + 1) / 2)
			run.wrong = "a wrong sum";
		free(line);
	}
}

static void ended(struct bufferevent *b, unsigned what)
{
	if ((what & EVBUFFER_ERROR) && !run.resets)
		run.wrong = bufferevent_what_string(what);
	else if ((what & EVBUFFER_EOF) && run.answers < NUMBERS)
		run.wrong = "answers are missing";
	bufferevent_free(b);
}

static void begin(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX,
				  .sun_path = "/server" };
	const struct sockaddr *a = (const struct sockaddr *)&un;
	struct bufferevent *b;

	bufferevent_listen(run.reactor, a, sizeof(un), 0, accepted, NULL);
	b = bufferevent_connect(run.reactor, a, sizeof(un), heard, NULL, ended);
	for (int i = 1; i <= NUMBERS; i++)
		evbuffer_add_printf(bufferevent_get_write(b), "%d\n", 997 * i);
	bufferevent_shutdown(b);
	bufferevent_enable(b, EV_READ);
}

/* --- The test ------------------------------------------------------------ */

/* What was wrong, or NULL. */
static const char *test(uint64_t seed, bool bug, FILE *trace)
{
	struct reactor *r = sim_new(seed);
	struct sim_faults faults = { .short_read = 300,
				     .short_write = 300,
				     .again = 100,
				     .delay_max = 50,
				     .capacity = 100 };

	faults.reset_at = sim_random(r, 3) ? 0 : 1 + sim_random(r, 100);
	sim_set_faults(r, &faults);
	sim_trace(r, trace);
	run = (struct run){ r, bug, faults.reset_at != 0, 0, 0, NULL };
	begin();
	if (reactor_run(r) < 0)
		run.wrong = "it is stuck";
	else if (sim_open_fds(r) > 0)
		run.wrong = "a descriptor is left open";
	reactor_free(r);
	return run.wrong;
}

int main(int argc, char **argv)
{
	bool bug = argc > 1 && strcmp(argv[1], "--bug") == 0;
	bool one = argc > 1 + bug;
	unsigned long first = one ? strtoul(argv[1 + bug], NULL, 10) : 1;
	unsigned long last = one ? first : SEEDS;

	for (unsigned long seed = first; seed <= last; seed++) {
		const char *wrong = test(seed, bug, one ? stderr : NULL);

		if (wrong)
			return printf("seed %lu: %s\n", seed, wrong), 1;
	}
	printf("runs: %lu, and all is well\n", last - first + 1);
	return 0;
}
