-- A random line of a file, at the end of the path. Requests are put together before the first is sent: what the
-- generator computes, the service cannot.
local requests = {}
function init(args)
  for line in io.lines(args[1]) do requests[#requests + 1] = wrk.format("GET", wrk.path .. line) end
end
function request()
  return requests[math.random(#requests)]
end
