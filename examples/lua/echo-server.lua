-- SPDX-License-Identifier: MIT
--
-- lua echo-server.lua PORT [SECONDS]: sends back what it is sent.
--
-- The script to read first: LuaSocket listens and accepts, a bufferevent a
-- connection does the rest.  Memory that a slow peer cannot make grow, an end
-- that loses nothing, and who is silent for SECONDS (30) is shown out.
--
--   lua echo-server.lua 7000 &
--   lua echo-client.lua 7000 hello
--
-- PORT 0 takes a free one, which the first line of output names.

local bufev = require "bufev"
local socket = require "socket"

local BUFFERED = 65536 -- the high mark of either side
local END_OF_INPUT = bufev.EVBUFFER_READ + bufev.EVBUFFER_EOF

local port, seconds = tonumber(arg[1]), tonumber(arg[2] or 30)
if not port or not seconds then
	io.stderr:write("usage: ", arg[0], " PORT [SECONDS]\n")
	os.exit(2, true)
end

local function serve(connection)
	local ended = false

	-- The bufferevent first: it is what watches the descriptor.
	local function leave(client)
		client:close()
		connection:close()
	end

	-- While the client does not take what we send, input stays where it is,
	-- and reading stops at the high mark; this comes again when the write
	-- buffer has run empty.
	local function echo(client)
		local output = client:get_write()
		if not client:is_full() then
			output:add(client:get_read())
		end
		if ended and #output == 0 then
			leave(client)
		end
	end

	local function failed(client, what)
		if what ~= END_OF_INPUT then
			return leave(client)
		end
		ended = true
		echo(client)
	end

	local client = assert(bufev.bufferevent.new(connection, echo, echo,
		failed))
	client:set_read_watermarks(0, BUFFERED)
	client:set_write_watermarks(0, BUFFERED)
	client:set_timeouts(seconds, seconds)
	client:enable(bufev.EV_READ)
	-- Nobody holds it now: as long as it is enabled, the loop does.
end

local server = assert(socket.bind("127.0.0.1", port))
server:settimeout(0)
assert(bufev.watch.new(server, bufev.EV_READ, function()
	local connection = server:accept()
	if connection then
		serve(connection)
	end
end))

print(("listening on %s:%d"):format(server:getsockname()))
io.stdout:flush()
bufev.loop()
