/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULT_SWEEP_H
#define TESTS_FAULT_SWEEP_H

/*
 * sweep: runs each scenario again and again, each time with another thing going
 * wrong: the first allocation, the second, the third ... until it ends
 * unharmed; once only, and from there on for good; with each errno, and each
 * length.  Such a run is a step.
 *
 * After each step the invariants hold; what was accepted was delivered in
 * order, or its loss was reported; with the fault gone the rest is delivered,
 * the reactor serves a connection that is new, and comes to an end; no
 * descriptor, no memory and no mapping is left over.
 *
 * Where $BUFEV_SLOW is set (valgrind, sanitizers), or $BUFEV_BRIEF, some of the
 * steps are made.
 */

#include "cut.h"
#include "scenarios.h"

/* What goes wrong in a step. */
struct fault {
	unsigned point, nth, times;
	int error; /* or, where that is 0: */
	enum cut cut;
};

/* So often that it is for good. */
enum { FOR_GOOD = 1000000 };

/* How things are made to go wrong, and where. */
struct injector {
	const char *name;
	unsigned points;
	const char *(*point)(unsigned);
	/* 0 at the end. */
	const int *(*errors)(unsigned point);
	/* Can it be cut short? */
	bool (*moves)(unsigned point);
	struct reactor *(*make_reactor)(void);
	/* NULL: from now on nothing fails. */
	void (*arm)(const struct fault *);
	/* Since arm(): how often the point was passed; how often it failed. */
	unsigned (*passed)(unsigned point);
	unsigned (*failed)(void);
	bool is_short; /* so that all steps are always made */
};

extern const struct injector inject_memory;
extern const struct injector inject_table;
extern const struct injector inject_calls;

/* Pieces of memory that the library holds. */
long memory_held(void);
void memory_begin(void);

/* What a step found out. */
enum { POINTS_MOST = 64 };

struct outcome {
	bool failed;		      /* the fault came about */
	unsigned passed[POINTS_MOST]; /* how often each point was passed */
};

/*
 * One run of the scenario; fault may be NULL.  False: something was wrong, and
 * was printed.
 */
bool step_run(const struct injector *, const struct scenario *,
	      const struct fault *, struct outcome *);

/* What a test's main() returns. */
int sweep_main(const struct injector *);

#endif
