/* SPDX-License-Identifier: MIT */
#ifndef BUFEV_LUA_H
#define BUFEV_LUA_H

/*
 * bufev for Lua: what its files ask of each other.
 *
 * A binding has four questions to answer; these are the answers here.
 *
 * Who owns what.  Each object of Lua is a userdata that holds the pointer of C,
 * and has a table of its own, by number (enum slot): itself, its callbacks, the
 * object whose descriptor it uses, its two buffers.  What it needs so lives as
 * long as it does, and where things refer to each other in a circle (a callback
 * that mentions its bufferevent) the collector sees the circle and collects it.
 *
 * How long it lives.  As long as somebody in Lua holds it, and as long as it
 * keeps the loop going: bufferevent_is_active().  For the latter there are two
 * tables, both by address.  "Known" holds every object, weakly; so a callback
 * finds its object, unless that is garbage already.  "Kept" holds those that
 * are active.  An object's place in it is made when the object is; so to keep
 * it later takes no memory and cannot fail.
 *
 * What an error does.  Lua raises errors, and the lack of memory is one, by
 * longjmp(3) or by unwinding the stack.  That must never pass through frames of
 * the library, which would be left in the middle of a turn.  So between the
 * library and lua_pcall() there are only calls that cannot raise one.  An error
 * within the callback is kept on the stack of the loop; the reactor is stopped,
 * and when it has returned, the error is raised again, out of loop().
 *
 * On which state.  On the one that called loop(), which is alive for as long as
 * a callback can come, and is remembered no longer.  The one that made the
 * object may be a coroutine that has ended long since.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bufev.h>

#include "compat.h"

/* Others who are loaded beside this see luaopen_bufev() and nothing else. */
#pragma GCC visibility push(hidden)

/* One for each Lua state, in its registry. */
struct home {
	struct reactor *reactor; /* NULL when the state is being closed */
	lua_State *running;	 /* what called loop() or turn(), or NULL */
	bool failed;		 /* a callback raised an error */
};

/* What calls back: the first member of its userdata. */
struct caller {
	struct home *home; /* NULL where it is released, or never began */
	bool (*is_active)(const struct caller *);
	bool kept;
};

/* The table that belongs to a caller. */
enum slot { SELF = 1, SOURCE, READ, WRITE, FAILED, INPUT, OUTPUT };

/* What lies at the bottom of the stack of loop(). */
enum { TRACEBACK = 1, ERROR };

/* --- bufev-lua.c --------------------------------------------------------- */

struct home *bufev_lua_home(lua_State *);

/*
 * Makes the type "bufev.NAME": `methods` are what a program calls, `meta` what
 * Lua does.  The table of the module, which is at the top, gets NAME.new().
 */
void bufev_lua_type(lua_State *, const char *type, lua_CFunction make,
		    const luaL_Reg *methods, const luaL_Reg *meta);

/* --- arguments.c --------------------------------------------------------- */

/* These raise the error that tells what is expected. */

/* A descriptor, or an object with a method getfd(). */
int bufev_lua_fd(lua_State *, int arg);

/* A whole number. */
lua_Number bufev_lua_whole(lua_State *, int arg);

/* How many bytes: nil and less than 0 mean all. */
size_t bufev_lua_length(lua_State *, int arg);

/* How many bytes: nil means 0. */
size_t bufev_lua_mark(lua_State *, int arg);

/* EV_READ, EV_WRITE or both. */
unsigned bufev_lua_events(lua_State *, int arg);

/* Seconds, as milliseconds; nil means `otherwise`. */
uint64_t bufev_lua_time(lua_State *, int arg, uint64_t otherwise);

/* What the system refused: pushes nil, the text of errno, and errno. */
int bufev_lua_refuse(lua_State *);

/* --- caller.c ------------------------------------------------------------ */

void bufev_lua_open_callers(lua_State *);

/* Pushes a caller of `size` bytes, zero but for what is of this file. */
void *bufev_lua_new_caller(lua_State *, size_t size, const char *type,
			   bool (*is_active)(const struct caller *));

/* Puts a copy of the value at an index into a slot of the caller at `index`. */
void bufev_lua_set(lua_State *, int index, enum slot, int value);

/* Pushes what is in the slot. */
void bufev_lua_get(lua_State *, int index, enum slot);

/*
 * Sees to it that an active caller is kept, and no other.  At the index is it,
 * or one of its buffers.  Never raises an error.
 */
void bufev_lua_keep(lua_State *, struct caller *, int index);

/* Lets go of it and of all that it holds.  Never raises an error. */
void bufev_lua_release(lua_State *, struct caller *, int index);

/* For a callback of the library: calls what is in the slot. */
void bufev_lua_call(struct caller *, enum slot, unsigned what);

/* --- buffer.c ------------------------------------------------------------ */

void bufev_lua_open_buffer(lua_State *);

/* Pushes a buffer that is borrowed from the caller at the index. */
typedef struct evbuffer *bufev_lua_lender(struct caller *);
void bufev_lua_lend(lua_State *, struct caller *, bufev_lua_lender *,
		    int index);

/* --- bufferevent.c, watch.c ---------------------------------------------- */

void bufev_lua_open_bufferevent(lua_State *);
void bufev_lua_open_watch(lua_State *);

#pragma GCC visibility pop

#endif
