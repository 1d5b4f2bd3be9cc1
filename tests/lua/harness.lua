-- SPDX-License-Identifier: MIT
--
-- What the tests of the Lua module share.  A test has the sentence that it
-- proves as its name.  It talks to bufferevents over real TCP connections whose
-- other end is a plain LuaSocket.  Nothing waits for a guessed time: the loop is
-- turned until something has come about, and the turns are bounded.

local bufev = require "bufev"
local socket = require "socket"

local harness = {}
local tests, opened = {}, {}

function harness.test(quote, run)
	tests[#tests + 1] = { quote = quote, run = run }
end

-- Runs them all; how many have failed.  The lines are those of cmocka.
function harness.run()
	local failed = 0
	for _, test in ipairs(tests) do
		print("[ RUN      ] " .. test.quote)
		local ok, message = xpcall(test.run, debug.traceback)
		for i = #opened, 1, -1 do
			opened[i]:close()
		end
		opened = {}
		collectgarbage()
		collectgarbage()
		print((ok and "[       OK ] " or "[  FAILED  ] ") .. test.quote)
		if not ok then
			failed = failed + 1
			print(message)
		end
	end
	print(#tests .. " tests, " .. failed .. " failed")
	return failed
end

-- --- Assertions ------------------------------------------------------------

function harness.equal(got, expected)
	if got ~= expected then
		error("got " .. tostring(got) .. ", not " .. tostring(expected),
		      2)
	end
end

-- The call raises an error that mentions the text.
function harness.fails(text, f, ...)
	local ok, message = pcall(f, ...)
	if ok then
		error("no error, where one with '" .. text .. "' is due", 2)
	end
	if not tostring(message):find(text, 1, true) then
		error("the error is: " .. tostring(message), 2)
	end
end

-- --- Connections -----------------------------------------------------------

-- Closes it when the test is over, what was opened last first: a bufferevent
-- before its socket.
function harness.later_close(s)
	opened[#opened + 1] = s
	return s
end

-- As bufferevent.new(), but it cannot fail, and ends with the test.
function harness.new(...)
	return harness.later_close(assert(bufev.bufferevent.new(...)))
end

-- Both ends of a TCP connection.
function harness.pair()
	local server = assert(socket.bind("127.0.0.1", 0))
	local address, port = server:getsockname()
	local a = assert(socket.connect(address, port))
	local b = assert(server:accept())
	server:close()
	for _, s in ipairs { a, b } do
		s:setoption("tcp-nodelay", true)
		-- So that they are soon full; older LuaSockets cannot.
		pcall(s.setoption, s, "send-buffer-size", 65536)
		pcall(s.setoption, s, "recv-buffer-size", 65536)
	end
	return harness.later_close(a), harness.later_close(b)
end

-- A bufferevent on one end, with a log of its callbacks; the other end.
-- on.read, on.write and on.error, where given, are called as well.
function harness.open(on)
	local near, far = harness.pair()
	local log = {}
	local function callback(name)
		return function(...)
			local _, what = ...
			log[#log + 1] = bufev.what_string(what)
			if on and on[name] then
				on[name](...)
			end
		end
	end
	local b = harness.new(near, callback "read", callback "write",
		callback "error")
	return b, far, log, near
end

-- Waits until what the other end has sent is there to be read.
function harness.arrived(near)
	assert(socket.select({ near }, nil, 10)[1])
end

-- A reset, which is what a peer that has gone without a word looks like.
function harness.reset(s)
	s:setoption("linger", { on = true, timeout = 0 })
	s:close()
end

-- --- The loop --------------------------------------------------------------

-- Turns until the condition holds.
function harness.await(condition)
	for _ = 1, 1000 do
		if condition() then
			return
		end
		bufev.turn(10)
	end
	error("it never came about", 2)
end

-- Turns until the log has n entries, and says what it has.
function harness.log_of(log, n)
	harness.await(function() return #log >= n end)
	harness.idle()
	return table.concat(log, " ")
end

-- Turns as long as there is something to do at once.
function harness.idle()
	for _ = 1, 100 do
		if bufev.turn(0) == 0 and bufev.turn(0) == 0 then
			return
		end
	end
	error("it never comes to rest", 2)
end

-- Queues more than the kernel takes, and has it take what it does.
function harness.fill(b)
	local out = b:get_write()
	local before, still = 0, 0
	for _ = 1, 10000 do
		if #out < 1048576 then
			out:add(("x"):rep(1048576))
		end
		bufev.turn(0)
		still = #out == before and still + 1 or 0
		before = #out
		if still == 50 then
			return
		end
	end
	error("it never comes to rest", 2)
end

-- Has the other end read until nothing is left to be sent.  Where it has read
-- all, it waits for more; were it the loop that waits, both might.
function harness.drain(far, b)
	far:settimeout(0)
	for _ = 1, 10000 do
		if #b:get_write() == 0 then
			return
		end
		far:receive(1048576)
		bufev.turn(0)
		socket.select({ far }, nil, 0.01)
	end
	error("it never ends", 2)
end

-- --- The collector ---------------------------------------------------------

-- As often as it takes for what is found in finalizers, too.
function harness.collect()
	for _ = 1, 4 do
		collectgarbage()
	end
end

-- An object with a finalizer, in every version of Lua.
function harness.finalized(f)
	if newproxy then
		local proxy = newproxy(true)
		getmetatable(proxy).__gc = f
		return proxy
	end
	return setmetatable({}, { __gc = f })
end

-- A table that does not keep what it holds.
function harness.weak(...)
	return setmetatable({ ... }, { __mode = "v" })
end

return harness
