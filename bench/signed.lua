-- GETs that were signed beforehand: a file of target, Signature-Input and Signature, in turn.
local requests, at = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    local target, input, signature = line:match("([^\t]+)\t([^\t]+)\t([^\t]+)")
    requests[#requests + 1] = wrk.format("GET", target, { ["Signature-Input"] = input, ["Signature"] = signature })
  end
  math.randomseed(os.time())
  at = math.random(#requests)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
