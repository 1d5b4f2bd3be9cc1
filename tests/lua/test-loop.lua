-- SPDX-License-Identifier: MIT
--
-- The loop: what keeps it going, what an error in a callback does to it, and
-- coroutines.

local bufev = require "bufev"
local harness = require "harness"

local test, equal, fails = harness.test, harness.equal, harness.fails
local READ, WRITE = bufev.EV_READ, bufev.EV_WRITE

-- A bufferevent whose read callback is called in the next turn.
local function about_to_call(read)
	local b, far, log = harness.open { read = read }
	b:enable(READ)
	far:send("x")
	return b, far, log
end

-- A coroutine of Lua 5.1 takes no function of C.
local function run()
	return (bufev.loop())
end

-- --- Running and stopping --------------------------------------------------

test("loop(): goes on until nothing is left to wait for", function()
	equal(bufev.loop(), false)
	local b, far, log = about_to_call(function(b)
		b:get_read():drain(-1)
		b:get_write():add("y")
		b:disable(READ)
	end)
	equal(bufev.loop(), false)
	equal(table.concat(log, " "), "read write")
	equal(far:receive(1), "y")
	b:enable(READ)
	far:close()
	equal(bufev.loop(), false)
	equal(log[#log], "read|eof")
end)

test("loop(): stop() ends it", function()
	local b, far, log = about_to_call(function() bufev.stop() end)
	equal(bufev.loop(), true)
	equal(#log, 1)
	-- Where no loop runs, the next one ends before it calls anything.
	far:send("x")
	bufev.stop()
	equal(bufev.loop(), true)
	equal(#log, 1)
	equal(bufev.loop(), true)
	equal(#log, 2)
	b:close()
	equal(bufev.loop(), false)
end)

test("turn(seconds): says how many callbacks ran", function()
	equal(bufev.turn(0), 0)
	equal(bufev.turn(0.001), 0)
	local b, _, log = about_to_call()
	equal(bufev.turn(), 1)
	equal(#log, 1)
	b:disable(READ)
	for _, bad in ipairs { -1, 0 / 0, "x", {} } do
		fails("#1", bufev.turn, bad)
	end
	about_to_call()
	equal(bufev.turn(1 / 0), 1)
end)

test("loop(): not within itself", function()
	local b, _, log = about_to_call(function(b)
		fails("runs already", bufev.loop)
		fails("runs already", bufev.turn, 0)
		fails("runs already", coroutine.wrap(run))
		b:close()
	end)
	equal(bufev.loop(), false)
	equal(#log, 1)
	equal(tostring(b), "bufferevent (closed)")
end)

-- --- Errors ----------------------------------------------------------------

local function somewhere_deep()
	error("it went wrong")
end

test("an error inside a Lua callback stops the loop and comes out of loop() " ..
     "with its traceback", function()
	local b, far, log = about_to_call(function()
		somewhere_deep()
	end)
	local ok, message = pcall(bufev.loop)
	equal(ok, false)
	assert(message:find("^[^\n]*test%-loop.lua:%d+: it went wrong\n"),
	       message)
	assert(message:find("stack traceback:", 1, true), message)
	assert(message:find("somewhere_deep", 1, true), message)
	-- The bufferevent is as it was, and the loop can run again.
	equal(#log, 1)
	equal(tostring(b:get_read()), "x")
	far:send("y")
	fails("it went wrong", bufev.loop)
	equal(tostring(b:get_read()), "xy")
end)

test("an error inside a Lua callback (of each kind, and in turn())", function()
	local function raise() error("raised") end
	local b, far = harness.open { read = raise, write = raise,
				      error = raise }
	b:enable(READ)
	far:send("x")
	fails("raised", bufev.turn, 10)
	b:get_write():add("y")
	fails("raised", bufev.turn, 10)
	far:receive(1)
	far:close()
	fails("raised", bufev.turn, 10)
	equal(bufev.loop(), false)
	local near, other = harness.pair()
	harness.later_close(bufev.watch.new(near, READ, raise))
	other:send("x")
	fails("raised", bufev.turn, 10)
	fails("raised", bufev.loop)
end)

test("stops the loop (no other callback comes before it is raised)", function()
	local calls = 0
	local function raise()
		calls = calls + 1
		error("raised")
	end
	for _ = 1, 5 do
		about_to_call(raise)
	end
	for i = 1, 5 do
		fails("raised", bufev.loop)
		equal(calls, i)
	end
	equal(bufev.turn(0), 0)
end)

test("stops the loop (what was queued is sent nevertheless)", function()
	local _, far = about_to_call(function(b)
		b:get_write():add("sent")
		error("raised")
	end)
	fails("raised", bufev.loop)
	equal(far:receive(4), "sent")
end)

test("an error that is no string comes out as it is", function()
	local object = setmetatable({}, { __tostring = function()
		return "an object"
	end })
	about_to_call(function() error(object) end)
	local ok, got = pcall(bufev.loop)
	equal(ok, false)
	assert(rawequal(got, object))
	about_to_call(function() error(nil) end)
	ok, got = pcall(bufev.loop)
	equal(ok, false)
	assert(got == nil or tostring(got):find("nil"), got)
end)

test("an error after the callback has closed its bufferevent", function()
	about_to_call(function(b)
		b:close()
		b = nil
		harness.collect()
		error("raised")
	end)
	fails("raised", bufev.loop)
	equal(bufev.loop(), false)
end)

test("an error: the stack overflows in a callback", function()
	local function endless() return 1 + endless() end
	local b, _, log = about_to_call(endless)
	fails("overflow", bufev.loop)
	equal(#log, 1)
	b:close()
	equal(bufev.loop(), false)
end)

test("an error: even the library \"debug\" may be missing", function()
	local original = debug
	for _, other in ipairs { false, {} } do
		about_to_call(function() error("raised") end)
		debug = other or nil
		local ok, message = pcall(bufev.loop)
		debug = original
		equal(ok, false)
		assert(message:find("raised", 1, true), message)
	end
end)

-- --- Coroutines ------------------------------------------------------------

test("coroutines: what one has made goes on when it has ended", function()
	local b, far, log
	local thread = coroutine.create(function()
		b, far, log = about_to_call()
	end)
	assert(coroutine.resume(thread))
	equal(coroutine.status(thread), "dead")
	local gone = harness.weak(thread)
	thread = nil
	harness.collect()
	equal(gone[1], nil)
	equal(harness.log_of(log, 1), "read")
	far:send("y")
	equal(harness.log_of(log, 2), "read read")
	b:close()
end)

test("coroutines: callbacks run on the state that runs the loop", function()
	local states = {}
	local b, far = about_to_call(function()
		states[#states + 1] = coroutine.running() or "main"
		bufev.stop()
	end)
	local here = coroutine.running() or "main"
	bufev.loop()
	local thread = coroutine.create(run)
	far:send("x")
	assert(coroutine.resume(thread))
	far:send("x")
	bufev.loop()
	equal(states[1], here)
	equal(states[2], thread)
	equal(states[3], here)
	b:close()
end)

test("coroutines: a callback cannot yield out of the loop", function()
	local b = about_to_call(function() coroutine.yield() end)
	local thread = coroutine.create(run)
	local ok, message = coroutine.resume(thread)
	equal(ok, false)
	assert(message:find("yield", 1, true), message)
	b:disable(READ)
	-- But it may resume others, which yield to it.
	local waiting = coroutine.wrap(function(b)
		while true do
			local line = b:get_read():readline()
			b = coroutine.yield(line)
		end
	end)
	local lines = {}
	local _, far = about_to_call(function(b)
		lines[#lines + 1] = waiting(b)
		if #lines == 2 then
			bufev.stop()
		end
	end)
	far:send("a\n")
	harness.await(function() return #lines == 1 end)
	far:send("b\n")
	bufev.loop()
	equal(table.concat(lines, " "), "xa b")
end)

test("coroutines: an error ends the one that runs the loop, and no other",
     function()
	local first = about_to_call(function() error("raised") end)
	local thread = coroutine.create(run)
	local ok, message = coroutine.resume(thread)
	equal(ok, false)
	assert(message:find("raised", 1, true))
	first:close()
	equal(coroutine.status(thread), "dead")
	local b, _, log = about_to_call()
	equal(harness.log_of(log, 1), "read")
	b:close()
	equal(bufev.loop(), false)
end)

-- --- Watches, half-close, the module ---------------------------------------

test("watch.new(fd, events, callback)", function()
	local near, far = harness.pair()
	local calls, taken = {}, bufev.buffer.new()
	local w = bufev.watch.new(near, READ, function(w, events)
		calls[#calls + 1] = events
		taken:read(near, 1)
		if #calls == 3 then
			w:close()
		end
	end)
	far:send("abcd")
	equal(bufev.loop(), false)
	equal(table.concat(calls, " "), "2 2 2")
	w:close()
	w = bufev.watch.new(near:getfd(), READ + WRITE, function(w, events)
		calls[#calls + 1] = events
		w:close()
	end)
	equal(bufev.loop(), false)
	equal(calls[4], READ + WRITE)
	fails("#1", bufev.watch.new, {}, READ, print)
	fails("#2", bufev.watch.new, near, 0, print)
	fails("#2", bufev.watch.new, near, 8, print)
	fails("#3", bufev.watch.new, near, READ)
	near:close()
	local none, message = bufev.watch.new(near, READ, print)
	equal(none, nil)
	equal(message, "Bad file descriptor")
end)

test("shutdown(): sends what is queued, then the end; reading goes on",
     function()
	local b, far, log = harness.open()
	b:get_write():add("the last")
	equal(b:shutdown(), true)
	b:enable(READ)
	equal(harness.log_of(log, 1), "write")
	equal(far:receive("*a"), "the last")
	far:send("the answer")
	far:close()
	equal(harness.log_of(log, 3), "write read read|eof")
	equal(tostring(b:get_read()), "the answer")
end)

-- The state is closed inside the callback then, where Lua can do that, with
-- all that is open.
test("a callback may end the process", function()
	local name = os.tmpname()
	local file = assert(io.open(name, "w"))
	file:write(("package.cpath = %q\n"):format(package.cpath), [[
		local bufev = require "bufev"
		local socket = require "socket"
		local server = assert(socket.bind("127.0.0.1", 0))
		local address, port = server:getsockname()
		local a = assert(socket.connect(address, port))
		local b = bufev.bufferevent.new(a, print, function(b)
			b:get_write():add("x")
			os.exit(3, true)
		end, print)
		b:enable(bufev.EV_READ + bufev.EV_WRITE)
		bufev.loop()]])
	file:close()
	local child = io.popen(("%s %s; echo $?"):format(arg[-1], name))
	local said = child:read("*a")
	child:close()
	os.remove(name)
	equal(said, "3\n")
end)

test("the module may be loaded twice", function()
	local _, _, log = about_to_call()
	package.loaded.bufev = nil
	local again = require "bufev"
	assert(not rawequal(again, bufev))
	harness.collect()
	equal(again.turn(10), 1)
	equal(#log, 1)
	local b = again.buffer.new()
	equal(bufev.buffer.new():add("x", b), 1)
	package.loaded.bufev = bufev
end)
