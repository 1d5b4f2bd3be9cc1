/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_INVARIANTS_H
#define TESTS_SUPPORT_INVARIANTS_H

/*
 * invariants: what is true of the library's objects whenever code of the
 * user's runs.  Each returns NULL, or a sentence that says what is not.
 */

#include <bufev.h>

/* Constant time; also inside callbacks. */
const char *invariants_of_buffer(const struct evbuffer *);
const char *invariants_of_stream(const struct bufferevent *);

/*
 * Linear; not inside callbacks, when the lists are being passed over.  What
 * lives on it is looked at, too.  `holds`: calls of reactor_hold() that were
 * not released.
 */
const char *invariants_of_reactor(const struct reactor *, size_t holds);

#endif
