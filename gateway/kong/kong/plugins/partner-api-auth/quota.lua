-- An org's limit, as the service tells it with the verdict (contract 13.5): `"org";q=100;w=2` is a bucket of `q`
-- requests that is full again after `w` seconds. Counted per node, in the memory that Kong's rate limiting uses.

local ngx = ngx

local Quota = {}


-- Takes a request out of the org's bucket: nil, or where nothing is left, the seconds until there is more. The bucket is
-- one number, the instant at which it is full again; an entry lives until then. Two workers at once may each let one
-- through too many: the service counts exactly.
function Quota.take(org, policy)
  local q, w = (policy or ""):match('^"org";q=(%d+);w=(%d+)$')
  local counters = ngx.shared.kong_rate_limiting_counters
  if not q or not counters then
    return nil
  end
  local window, now, name = tonumber(w), ngx.now(), "partner-api-auth:quota:" .. org
  local interval = window / tonumber(q)
  local full_at = counters:incr(name, interval, now, window)
  if not full_at then
    return nil -- no memory left
  end
  local missing = full_at - now
  -- Half an interval for what sums of fractions lose.
  if missing > window + interval / 2 then
    counters:incr(name, -interval)
    return math.max(1, math.ceil(missing - window))
  end
  counters:expire(name, math.max(missing, 0.001))
  return nil
end


-- What the refused client is told, as the service tells it.
function Quota.headers(policy, more_in)
  return { ["RateLimit-Policy"] = policy, ["RateLimit"] = ('"org";r=0;t=%d'):format(more_in) }
end


return Quota
