-- For wrk: which requests are sent, and one line of JSON with what came of them.
-- Arguments after `--`: an Authorization value, then paths that are asked for in turn. None: the URL itself.

function init(args)
  if #args == 0 then return end
  local headers = { ["Authorization"] = args[1] }
  local requests, turn = {}, 0
  for number = 2, #args do requests[number - 1] = wrk.format("GET", args[number], headers) end
  request = function()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(95), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
