-- For wrk: posts the body of the file in its first argument.  With a second argument, a number, that
-- many variants in turn, in which a four-digit ID counts up: as many lanes.  So does the number of a
-- portal whose member_id is installed-NUMBER.  Ends with one line of JSON.
local bodies = {}

function init(args)
   local file = assert(io.open(args[1], "rb"))
   local body = file:read("*a")
   file:close()
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
   local variants = tonumber(args[2] or "1")
   for i = 1, variants do
      local id = variants > 1 and string.format("%%1%d", 1000 + i) or "%1%2"
      local one = body:gsub("(FIELDS%%5D%%5BID%%5D=)(%d+)", id):gsub("(member_id%%5D=installed%-)(%d+)", id)
      bodies[i] = wrk.format(nil, nil, nil, one)
   end
end

local sent = 0

function request()
   sent = sent % #bodies + 1
   return bodies[sent]
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      '{"requests": %d, "refused": %d, "broken": %d, "timeouts": %d, "seconds": %f, ' ..
      '"median_ms": %f, "p99_ms": %f, "longest_ms": %f}\n',
      summary.requests, e.status, e.connect + e.read + e.write, e.timeout, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
