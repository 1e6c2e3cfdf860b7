-- Users that nobody made before. A request is put together once, around an id that is another one each time: what the
-- generator computes, the service cannot.
local thread_seed = 0
local head, tail
function setup(thread)
  thread_seed = thread_seed + 1
  thread:set("seed", os.time() * 1000 + thread_seed)
end
function init(args)
  math.randomseed(seed)
  for _ = 1, 10 do math.random() end
  local id = string.rep("0", 36)
  local whole = wrk.format("POST", nil, nil, '{"user_id":"' .. id .. '"}')
  local from, to = whole:find(id, 1, true)
  head, tail = whole:sub(1, from - 1), whole:sub(to + 1)
end
function request()
  local id = string.format("%08x-%04x-4%03x-8%03x-%06x%06x", math.random(0, 0xffffffff), math.random(0, 0xffff),
    math.random(0, 0xfff), math.random(0, 0xfff), math.random(0, 0xffffff), math.random(0, 0xffffff))
  return head .. id .. tail
end
