-- SPDX-License-Identifier: MIT
--
-- lua echo-client.lua PORT [WORD...]: says the words to an echo server, or what
-- standard input holds, and prints what comes back.
--
-- All is queued at once, and the end after it; it ends when the server does.
-- The exit code is 0 where as much came back as was sent.

local bufev = require "bufev"
local socket = require "socket"

local port = tonumber(arg[1])
if not port then
	io.stderr:write("usage: ", arg[0], " PORT [WORD...]\n")
	os.exit(2, true)
end

local text = table.concat(arg, " ", 2) .. "\n"
if #arg == 1 then
	text = io.read("*a")
end

local connection = assert(socket.connect("127.0.0.1", port))
local received, failure = 0, nil

local function print_all(server)
	local input = server:get_read()
	received = received + #input
	io.write(tostring(input))
	input:drain(-1)
end

-- The end of input is one of the errors; what came before it was printed.
local function ended(server, what)
	if what ~= bufev.EVBUFFER_READ + bufev.EVBUFFER_EOF then
		failure = server:error() or bufev.what_string(what)
	end
	server:close()
	connection:close()
end

local server = assert(bufev.bufferevent.new(connection, print_all, nil, ended))
server:set_timeouts(30, 30)
server:get_write():add(text)
server:shutdown()
server:enable(bufev.EV_READ)
bufev.loop()

if not failure and received < #text then
	failure = "the end came too early"
end
if failure then
	io.stderr:write(arg[0], ": ", failure, "\n")
	os.exit(1, true)
end
