-- A random line of a file, at the end of the path.
local lines = {}
function init(args)
  for line in io.lines(args[1]) do lines[#lines + 1] = line end
end
function request()
  return wrk.format("GET", wrk.path .. lines[math.random(#lines)])
end
