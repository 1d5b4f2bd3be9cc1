/* SPDX-License-Identifier: MIT */

/*
 * One step of a sweep: a world is made, something goes wrong in it, and then it
 * is looked at; see sweep.h for what is looked for.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/harness.h"
#include "calls.h"
#include "sweep.h"

enum { CENSUS = 512, PATIENT = 20, ECHO = 300 };

/* --- The census ---------------------------------------------------------- */

/* How many descriptors are open. */
static int count_open(void)
{
	static struct pollfd fd[CENSUS];
	int open = CENSUS;

	for (int i = 0; i < CENSUS; i++)
		fd[i] = (struct pollfd){ .fd = i };
	poll(fd, CENSUS, 0);
	for (int i = 0; i < CENSUS; i++)
		open -= (fd[i].revents & POLLNVAL) != 0;
	return open;
}

/* --- Opening ------------------------------------------------------------- */

/* A wait without end would be one. */
static void stalled(void)
{
	world_complain(world, "it sleeps, and nobody will wake it");
	if (world->reactor)
		reactor_stop(world->reactor);
}

static void open_world(struct world *w, const struct injector *how,
		       const struct scenario *scenario,
		       const struct fault *fault)
{
	memset(w, 0, sizeof(*w));
	w->error = fault ? fault->error : 0;
	w->failed = how->failed;
	w->fails_fcntl =
		fault && how == &inject_calls && fault->point == CALL_FCNTL;
	w->is_lied_to = fault && how != &inject_memory;
	w->make_reactor = how->make_reactor;
	for (int i = 0; i < WORLD_STREAMS; i++) {
		w->stream[i].world = w;
		w->stream[i].fd = w->stream[i].peer = -1;
	}
	for (int i = 0; i < WORLD_FDS; i++)
		w->fd[i] = -1;
	world = w;
	how->arm(NULL);
	if (scenario->flags & BARE)
		return;
	w->reactor = how->make_reactor();
	world_expect(w, w->reactor != NULL, "no reactor to begin with");
}

/* --- Judging ------------------------------------------------------------- */

static unsigned told(const struct stream *s)
{
	return s->told | (s->other ? s->other->told : 0);
}

/*
 * While the fault is there: has each side that did not get through said so, or
 * its peer?  Where the turn itself fails the caller knows.
 */
static bool is_nobody_silent(struct world *w)
{
	const unsigned both = EV_READ | EV_WRITE;

	for (int i = 0; i < WORLD_STREAMS && w->failures == 0; i++) {
		struct stream *s = &w->stream[i];

		if (!s->b || s->loses || told(s))
			continue;
		stream_take(s);
		if (bufferevent_get_enabled(s->b) == both &&
		    !stream_is_through(s))
			return false;
	}
	return true;
}

/* Did the scenario leave it so that all of its bytes must come? */
static bool is_strict(const struct stream *s)
{
	return s->b && !s->loses && !s->gives_up;
}

/* The first stream that should have got through and did not; NULL: none. */
static const struct stream *find_stuck(const struct world *w)
{
	for (int i = 0; i < WORLD_STREAMS; i++) {
		const struct stream *s = &w->stream[i];

		if (is_strict(s) && (!s->other || is_strict(s->other)) &&
		    !stream_is_through(s))
			return s;
	}
	return NULL;
}

static bool is_nobody_stuck(struct world *w)
{
	return !find_stuck(w);
}

/* With the fault gone: now the rest must come. */
static void recover(struct world *w)
{
	const struct stream *stuck;

	if (!w->reactor || w->dead)
		return;
	for (int i = 0; i < WORLD_STREAMS; i++) {
		struct stream *s = &w->stream[i];

		if (!s->b || s->gives_up)
			continue;
		s->leaves_input = false;
		s->tries = PATIENT;
		bufferevent_set_read_watermarks(s->b, 0, 0);
		stream_enable(s, EV_READ | EV_WRITE);
		stream_take(s);
	}
	world_insist(w, is_nobody_stuck);
	world_rest(w);
	stuck = find_stuck(w);
	if (stuck)
		world_complain(w, "%zu of %zu came, %zu of %zu went",
			       stuck->taken, stream_fed(stuck),
			       stream_collected(stuck), stuck->queued);
}

/* The reactor goes on: it serves one who is new. */
static void serve_another(struct world *w)
{
	struct stream *s = &w->stream[0];

	if (!w->reactor || w->dead)
		return;
	*s = (struct stream){ .world = w, .fd = -1, .peer = -1 };
	if (stream_pair(s)) {
		stream_enable(s, EV_READ);
		stream_feed(s, ECHO);
		stream_queue(s, ECHO);
		if (!world_run(w, is_through))
			world_complain(w, "the reactor does not go on");
	}
	stream_end(s);
}

/* --- Closing ------------------------------------------------------------- */

static void free_objects(struct world *w)
{
	for (int i = 0; i < WORLD_STREAMS; i++)
		stream_end(&w->stream[i]);
	bufferevent_listener_free(w->listener);
	w->listener = NULL;
	for (int i = 0; i < 2; i++) {
		evbuffer_free(w->buffer[i]);
		w->buffer[i] = NULL;
		reactor_watch_stop(&w->watch[i]);
		reactor_signal_stop(&w->signal[i]);
	}
	for (int i = 0; i < 3; i++)
		reactor_timer_stop(&w->timer[i]);
	for (; w->holds > 0 && w->reactor; w->holds--)
		reactor_release(w->reactor);
	for (int i = 0; i < WORLD_FDS; i++)
		own_close(&w->fd[i]);
}

static void close_world(struct world *w)
{
	free_objects(w);
	world_rest(w);
	if (w->reactor && !w->dead && !w->complaint[0] &&
	    reactor_run(w->reactor) != 0)
		world_complain(w, "the run does not end by itself");
	reactor_free(w->reactor);
	w->reactor = NULL;
}

/* --- Before and after ---------------------------------------------------- */

/* What there was before the world. */
struct before {
	long held;
	int open;
};

static void account(struct world *w, struct before before)
{
	int differ = count_open() - before.open;

	if (differ != 0)
		world_complain(w, "%d descriptors are left over", differ);
	if (memory_held() != before.held)
		world_complain(w, "%ld pieces of memory are left over",
			       memory_held() - before.held);
	if (calls.mapped != 0)
		world_complain(w, "%ld mappings are left over", calls.mapped);
}

static void live_through(struct world *w, const struct injector *how,
			 const struct scenario *scenario,
			 const struct fault *fault, struct outcome *outcome)
{
	how->arm(fault);
	scenario->run(w);
	world_rest(w);
	world_expect(w, world_insist(w, is_nobody_silent),
		     "bytes are stuck, without a word");
	outcome->failed = how->failed() > 0;
	for (unsigned i = 0; i < how->points; i++)
		outcome->passed[i] = how->passed(i);
	if (!outcome->failed)
		world_expect(w, w->done, "the scenario did not get through");
	how->arm(NULL);
	w->mended = true;
	w->failures = 0;
	recover(w);
	if (scenario->after)
		scenario->after(w);
	free_objects(w);
	serve_another(w);
	close_world(w);
}

/* --- In a child ---------------------------------------------------------- */

struct report {
	struct outcome outcome;
	char complaint[WORLD_COMPLAINT];
};

/* The census of a child: a kqueue is not inherited, and one is the world's. */
static int open_before(struct before before, int at_fork)
{
	int lost = at_fork - count_open();

	return lost > 0 ? before.open - (lost - 1) : before.open;
}

static void send_report(int to, const struct report *report)
{
	if (write(to, report, sizeof(*report)) != sizeof(*report))
		_exit(1);
	_exit(0);
}

static void get_report(struct world *w, pid_t child, int from,
		       struct report *report)
{
	int status = 0;
	ssize_t n;

	memset(report, 0, sizeof(*report));
	n = read(from, report, sizeof(*report));
	close(from);
	waitpid(child, &status, 0);
	if (n != sizeof(*report) || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		world_complain(w, "the child ended with status %#x",
			       (unsigned)status);
	if (report->complaint[0])
		world_complain(w, "in the child: %s", report->complaint);
}

static void live_in_child(struct world *w, const struct injector *how,
			  const struct scenario *scenario,
			  const struct fault *fault, struct before before,
			  struct outcome *outcome)
{
	static struct report report;
	int to[2], at_fork;
	pid_t child;

	assert_return_code(pipe2(to, O_CLOEXEC), errno);
	at_fork = count_open();
	child = fork();
	if (child == 0) {
		before.open = open_before(before, at_fork) + 2;
		live_through(w, how, scenario, fault, &report.outcome);
		account(w, before);
		memcpy(report.complaint, w->complaint, WORLD_COMPLAINT);
		send_report(to[1], &report);
	}
	close(to[1]);
	get_report(w, child, to[0], &report);
	*outcome = report.outcome;
	free_objects(w);
	reactor_free(w->reactor);
}

/* --- The step ------------------------------------------------------------ */

static void print_fault(const struct injector *how, const struct fault *f)
{
	if (!f)
		print_error("with nothing wrong: ");
	else if (f->error)
		print_error("%s, call %u%s, %s: ", how->point(f->point), f->nth,
			    f->times == 1 ? "" : " and on", strerror(f->error));
	else
		print_error("%s, call %u%s, %s moved: ", how->point(f->point),
			    f->nth, f->times == 1 ? "" : " and on",
			    cut_name(f->cut));
}

bool step_run(const struct injector *how, const struct scenario *scenario,
	      const struct fault *fault, struct outcome *outcome)
{
	static struct world w;
	const struct before before = { memory_held(), count_open() };

	calls_begin();
	calls.stalled = stalled;
	open_world(&w, how, scenario, fault);
	if (scenario->prepare)
		scenario->prepare(&w);
	if (scenario->flags & IN_A_CHILD)
		live_in_child(&w, how, scenario, fault, before, outcome);
	else
		live_through(&w, how, scenario, fault, outcome);
	calls_end();
	account(&w, before);
	if (!w.complaint[0])
		return true;
	print_error("%s: ", scenario->name);
	print_fault(how, fault);
	print_error("%s\n", w.complaint);
	return false;
}
