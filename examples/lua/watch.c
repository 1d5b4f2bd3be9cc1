/* SPDX-License-Identifier: MIT */

/*
 * watch: a plain descriptor, and a callback while it is ready.  It is what a
 * server waits with for connections, which it then accepts by other means.
 *
 * The struct of the library lies in the userdata, which cannot be collected as
 * long as the watch is started, since that makes it active.
 */

#include "bufev-lua.h"

#define TYPE "bufev.watch"

struct lua_watch {
	struct caller caller;
	struct reactor_watch watch;
	bool started;
};

static bool is_active(const struct caller *c)
{
	return ((const struct lua_watch *)c)->started;
}

static void on_ready(struct reactor_watch *w, unsigned events)
{
	char *p = (char *)w - offsetof(struct lua_watch, watch);

	bufev_lua_call(&((struct lua_watch *)(void *)p)->caller, READ, events);
}

static int watch_make(lua_State *L)
{
	enum { OBJECT = 4 };
	int fd = bufev_lua_fd(L, 1);
	unsigned events = bufev_lua_events(L, 2);
	struct lua_watch *p;

	luaL_argcheck(L, events != 0, 2, "EV_READ, EV_WRITE or both expected");
	luaL_checktype(L, 3, LUA_TFUNCTION);
	lua_settop(L, OBJECT - 1);
	p = bufev_lua_new_caller(L, sizeof(*p), TYPE, is_active);
	bufev_lua_set(L, OBJECT, SOURCE, 1);
	bufev_lua_set(L, OBJECT, READ, 3);
	p->watch.ready = on_ready;
	if (reactor_watch_set(p->caller.home->reactor, &p->watch, fd, events) <
	    0)
		return bufev_lua_refuse(L);
	p->started = true;
	bufev_lua_keep(L, &p->caller, OBJECT);
	return 1;
}

static int release(lua_State *L)
{
	struct lua_watch *p = luaL_checkudata(L, 1, TYPE);

	reactor_watch_stop(&p->watch);
	p->started = false;
	bufev_lua_release(L, &p->caller, 1);
	return 0;
}

void bufev_lua_open_watch(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "close", release },
		{ NULL, NULL },
	};
	static const luaL_Reg meta[] = {
		{ "__gc", release },
		{ "__close", release },
		{ NULL, NULL },
	};

	bufev_lua_type(L, TYPE, watch_make, methods, meta);
}
