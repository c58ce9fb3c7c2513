-- Requests for wrk: `wrk … -s load.lua URL -- <operation>`. Prints its figures as one JSON line.
local users = 10000
local operation

function init(args)
  operation = args[1]
  -- Each request is formatted once, so that making them costs nothing while measuring.
  requests_of = {}
  for index = 0, users - 1 do
    local user = string.format("64b000000000000000%06x", index)
    if operation == "list" then
      requests_of[index] = wrk.format("GET", "/list?user_id=" .. user)
    else
      local body = string.format(
        '{"user_id":"%s","key":"%s","target_id":"64c000000000000000000000"}', user, operation)
      requests_of[index] = wrk.format("POST", "/create", { ["content-type"] = "application/json" }, body)
    end
  end
  math.randomseed(os.time())
end

function request()
  return requests_of[math.random(0, users - 1)]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"non2xx":%d,"socketErrors":%d,"p50":%.3f,"p99":%.3f,"max":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
