-- What the service says about a key, and for how long that is believed.
--
-- { status, org, key_id, scopes, policy, expires }: 200, 401, 403, or 503 for "cannot know"; `policy` is the org's
-- limit, if it has one (quota.lua); `expires` is an instant. Kept in
-- kong.cache under a hash of the key and of whom was asked: what one service says binds no other.

local http = require "resty.http"
local sha256 = require "resty.sha256"
local to_hex = require("resty.string").to_hex

local kong = kong
local ngx = ngx

local Verdict = {}

-- A verdict is never believed for longer, whatever the answer or a clock says.
local MAX_SECONDS = 60

-- "Cannot know" is remembered this long, so that the requests which waited for
-- the same answer share it instead of asking a dead service one after another.
local OUTAGE_SECONDS = 0.25

-- So is an answer that may not be kept (`no-store`, a key in its last second): without it those who wait
-- would ask in turn, the last of them when the key has died. No pass for a dead key: the service looks at
-- X-Tenant-Key-Id itself.
local SHARED_SECONDS = 0.1

-- Who waits looks again after 1, 2, 4, .. ms and at most this: as late after a slow answer as it was slow.
local LONGEST_WAIT = 0.5

-- An entry leaves kong.cache this long before its verdict expires: what comes
-- out of the cache expired was resurrected, not merely late.
local CACHE_MARGIN = 0.01

-- kong.cache revives an expired value when the callback fails, by default for
-- 30 s and again and again. 0 would mean for ever. `ttl` is only a safety net:
-- `ask` returns one of its own every time.
local CACHE_OPTIONS = { ttl = 1, neg_ttl = 1, resurrect_ttl = 0.001 }

-- The third result of kong.cache:get when the callback ran for this very call.
local ASKED_NOW = 3


local function is_uuid(value)
  return type(value) == "string" and #value == 36 and value:find("^[%x-]+$") ~= nil
end


-- `*`, or names by spaces; nil from a service that does not tell, or tells nonsense.
local function scopes(value)
  if type(value) == "string" and #value <= 1024 and value:find("^[%l_:* ]+$") then
    return value
  end
  return nil
end


local function max_age(cache_control)
  if type(cache_control) ~= "string" or cache_control:find("no%-store") then
    return 0
  end
  local seconds = tonumber(cache_control:match("max%-age=(%d+)")) or 0
  return math.min(seconds, MAX_SECONDS)
end


local function judge(conf, answer, err, asked_at)
  local now = ngx.now()
  -- Long enough for all who waited for it, however slow it was.
  local shared_until = now + math.max(SHARED_SECONDS, math.min(now - asked_at, LONGEST_WAIT) + CACHE_MARGIN * 5)
  local status = answer and answer.status
  if status == 200 then
    local org, key_id = answer.headers["OrgId"], answer.headers["X-Tenant-Key-Id"]
    if is_uuid(org) and is_uuid(key_id) then
      -- Counted from the question, so not past what the service meant.
      local expires = math.max(asked_at + max_age(answer.headers["Cache-Control"]), shared_until)
      local may, policy = scopes(answer.headers["X-Tenant-Scopes"]), answer.headers["RateLimit-Policy"]
      return { status = 200, org = org, key_id = key_id, scopes = may, policy = policy, expires = expires }
    end
  elseif status == 401 or status == 403 then
    return { status = status, expires = math.max(now + conf.negative_ttl, shared_until) }
  end
  kong.log.err("no verdict from ", conf.verify_url, ": ", err or "unusable answer, status " .. status)
  return { status = 503, expires = now + OUTAGE_SECONDS }
end


-- kong.cache's callback; runs once per key at a time. It never fails, because
-- kong.cache answers a failure with the expired value.
local function ask(conf, header, key)
  ngx.update_time()
  local asked_at = ngx.now()
  local client = http.new()
  client:set_timeout(conf.timeout_ms)
  local answer, err = client:request_uri(conf.verify_url, {
    method = "GET",
    -- The client's address, for whom the service reports the use of a dead key.
    headers = { [header] = key, ["X-Forwarded-For"] = kong.client.get_forwarded_ip() },
    keepalive_timeout = 10000,
    keepalive_pool = 32,
  })

  local verdict = judge(conf, answer, err, asked_at)
  -- A ttl of 0 would mean for ever; `judge` never comes near it.
  return verdict, nil, verdict.expires - ngx.now() - CACHE_MARGIN
end


-- A hash, because kong.cache lives in shared memory and in dumps of it.
local function cache_key(conf, key)
  local digest = sha256:new()
  digest:update(conf.verify_url)
  digest:update("\0")
  digest:update(key)
  return "partner-api-auth:" .. to_hex(digest:final())
end


-- The verdict on `key`, to be asked for in the header `header`; its second result says that it was asked for
-- this very request. `may_ask` false: nil unless it is remembered.
function Verdict.on(conf, header, key, may_ask)
  local verdict, err, level = kong.cache:get(cache_key(conf, key), CACHE_OPTIONS, may_ask and ask or nil, conf, header, key)
  if not verdict then
    if may_ask then
      kong.log.err("no verdict from the cache: ", err)
      return { status = 503 }
    end
    return nil
  end
  local left = verdict.expires - ngx.now()
  if level ~= ASKED_NOW and (left <= 0 or left > MAX_SECONDS) then
    kong.log.warn("refused to use a stale verdict")
    return { status = 503 }
  end
  return verdict, level == ASKED_NOW
end


return Verdict
