-- partner-api-auth: who is calling partner-api, decided at the gateway.
--
-- Asks the service's internal listener about the client's tenant key (verdict.lua), and tells the service
-- which org it was, with a shared secret (secret.lua) as proof that the gateway said so. Whatever the
-- client itself says about that is removed first. It can hold orgs to their limits (quota.lua). When in doubt: refuse, as the service would (refusal.lua).
-- The reasons behind the design are in gateway/README.md.

local Quota = require "kong.plugins.partner-api-auth.quota"
local Refusal = require "kong.plugins.partner-api-auth.refusal"
local Secret = require "kong.plugins.partner-api-auth.secret"
local Verdict = require "kong.plugins.partner-api-auth.verdict"
local sha256 = require "resty.sha256"
local to_hex = require("resty.string").to_hex

local kong = kong
local ngx = ngx

local Plugin = {
  VERSION = "1.3.0",
  -- Before request-size-limiting (951), rate-limiting (910) and proxy-cache (100), which go by the caller and
  -- so need to know it. On the way out after correlation-id (100001), whose header it sets right.
  PRIORITY = 1240,
}

-- What the service accepts. Kong lists 100 headers unless told otherwise: a
-- spoofed one behind the hundredth would pass unseen.
local MAX_HEADERS = 200

-- Headers that only the gateway may set, or that it consumes, by squashed name.
local OURS = {
  orgid = true,
  tenantkeyid = true,
  tenantscopes = true,
  gatewayauth = true,
  taihtenantkey = true,
  requestid = true,
}

local TENANT_HEADER = "taih-tenant-key"
-- Either makes a request a signed one, good or bad, as for the service.
local SIGNATURE_HEADERS = { "signature-input", "signature" }
-- A prefix of 2 to 10 characters (KEY_PREFIX), the environment, 43 random characters and 6 of the checksum.
local TENANT_SHAPE, TENANT_TAIL = "^(%l[%l%d]+)_%l+_(%w+)$", 49
local BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

local WINDOW_SECONDS = 60


-- `OrgId`, `Org_Id`, `x-org-id`, ... are all `orgid`.
local function squash(name)
  local letters = name:lower():gsub("[^a-z0-9]", "")
  return (letters:gsub("^x", ""))
end


local function values(header)
  if header == nil then
    return {}
  end
  return type(header) == "table" and header or { header }
end


local function count(headers)
  local n = 0
  for _, value in pairs(headers) do
    n = n + #values(value)
  end
  return n
end


local function strip(headers)
  for name in pairs(headers) do
    if OURS[squash(name)] then
      kong.service.request.clear_header(name)
    end
  end
end


-- Kong drops the headers that `Connection` lists after the plugins ran: a client
-- could so remove the OrgId that we are about to set.
local function connection_names_ours(headers)
  for _, value in ipairs(values(headers["connection"])) do
    for name in value:gmatch("[^,]+") do
      if OURS[squash(name)] then
        return true
      end
    end
  end
  return false
end


-- One id in Kong's errors, its log, the service and its answer: the caller's if
-- it is well formed, else Kong's.
local function request_id(headers)
  local given = headers["x-request-id"]
  if type(given) == "string" and #given <= 128 and given:find("^[%w._-]+$") then
    return given
  end
  return ngx.var.kong_request_id or ngx.var.request_id
end


-- As sent, without the query; unset where nginx could not read the request.
local function path()
  return (ngx.var.request_uri or "/"):match("^[^?]*")
end


-- Kong's router makes paths normal (`//`, `%2f`, `%61`) and would pass on what it made: the service is told what
-- the client sent, and may have signed. Not where the route takes a part of the path away, or the service adds one.
local function keep_path()
  local route, service = kong.router.get_route(), kong.router.get_service()
  local sent, base = path(), service and service.path or "/"
  if route and not route.strip_path and base == "/" and sent:sub(1, 1) == "/" then
    kong.service.request.set_path(sent)
  end
end


local function refuse(code, retry_after, more_headers)
  local context = kong.ctx.plugin
  context.refused = true
  local status, body, headers = Refusal.of(code, path(), context.request_id, retry_after)
  for name, value in pairs(more_headers or {}) do
    headers[name] = value
  end
  return kong.response.exit(status, body, headers)
end


-- Who the caller is to plugins that come after: proxy-cache keys its entries by the consumer and would else
-- give one caller's answer to another; rate limiting counts by it. No consumer of Kong's database is meant.
local function introduce(id, name, credential)
  kong.client.authenticate({ id = id, username = name }, credential)
end


local function is_bearer(headers)
  for _, value in ipairs(values(headers["authorization"])) do
    if (value:lower() .. " "):find("^bearer%s") then
      return true
    end
  end
  return false
end


-- The last six characters are the CRC-32 of all before them, in base 62: typos
-- and most guesses end here and never reach the service.
local function has_key_shape(key)
  local prefix, tail = (type(key) == "string" and key or ""):match(TENANT_SHAPE)
  if not prefix or #prefix > 10 or #tail ~= TENANT_TAIL then
    return false
  end
  local crc, digits = ngx.crc32_long(key:sub(1, -7)), {}
  for place = 6, 1, -1 do
    local digit = crc % 62 + 1
    digits[place] = BASE62:sub(digit, digit)
    crc = math.floor(crc / 62)
  end
  return table.concat(digits) == key:sub(-6)
end


-- Refused keys of one address in the running minute, in the memory that Kong's rate limiting uses.
local function failures(conf)
  local counters = conf.failed_keys_per_minute > 0 and ngx.shared.kong_rate_limiting_counters
  if not counters then
    return nil
  end
  local window = math.floor(ngx.now() / WINDOW_SECONDS)
  return counters, "partner-api-auth:" .. kong.client.get_forwarded_ip() .. ":" .. window
end


-- Whoever had too many keys refused gets no further ones asked about; those known to be good still work.
local function verdict_on(conf, key)
  local counters, name = failures(conf)
  local may_ask = not counters or (counters:get(name) or 0) < conf.failed_keys_per_minute
  local verdict, asked_now = Verdict.on(conf, TENANT_HEADER, key, may_ask)
  if counters and asked_now and verdict.status == 401 then
    counters:incr(name, 1, 0, WINDOW_SECONDS)
  end
  return verdict or { status = 429 }
end


local function by_tenant_key(conf, headers)
  local key = headers[TENANT_HEADER]
  if not has_key_shape(key) then
    return refuse("unauthorized")
  end
  local secret = Secret.current(conf)
  if not secret then
    return refuse("service_unavailable")
  end

  local verdict = verdict_on(conf, key)
  if verdict.status == 401 then
    return refuse("unauthorized")
  elseif verdict.status == 403 then
    return refuse("forbidden")
  elseif verdict.status == 429 then
    return refuse("rate_limited", math.ceil(WINDOW_SECONDS - ngx.now() % WINDOW_SECONDS))
  elseif verdict.status ~= 200 then
    return refuse("service_unavailable")
  end

  local more_in = conf.enforce_rate_limit and Quota.take(verdict.org, verdict.policy)
  if more_in then
    return refuse("rate_limited", more_in, Quota.headers(verdict.policy, more_in))
  end

  introduce(verdict.org, verdict.org, { id = verdict.org })
  kong.service.request.set_header("OrgId", verdict.org)
  kong.service.request.set_header("X-Tenant-Key-Id", verdict.key_id)
  -- For services that are not partner-api, which looks at the key itself. Absent where verify does not say.
  if verdict.scopes then
    kong.service.request.set_header("X-Tenant-Scopes", verdict.scopes)
  end
  kong.service.request.set_header("X-Gateway-Auth", secret)
end


-- A caller whom the service checks, by what they sent for it. Without a credential, so that rate limiting by
-- credential counts such callers by address: anybody can make up any number of them.
local function introduce_unchecked(name, sent)
  local digest = sha256:new()
  digest:update(sent)
  local hex = to_hex(digest:final())
  -- Kong takes only UUIDs for ids of consumers.
  local id = ("%s-%s-8%s-8%s-%s"):format(hex:sub(1, 8), hex:sub(9, 12), hex:sub(13, 15), hex:sub(16, 18), hex:sub(19, 30))
  introduce(id, name, nil)
end


-- A token is the service's to check; it goes on without any OrgId.
local function by_bearer(_, headers)
  local token = headers["authorization"]
  if type(token) ~= "string" then
    return refuse("unauthorized")
  end
  return introduce_unchecked("bearer", token)
end


-- So is a signature, which names its org by its key (contract 12.1).
local function by_signature(headers)
  local sent = {}
  for _, name in ipairs(SIGNATURE_HEADERS) do
    sent[#sent + 1] = table.concat(values(headers[name]), ", ")
  end
  return introduce_unchecked("signature", table.concat(sent, "\0"))
end


local function is_signed(headers)
  for _, name in ipairs(SIGNATURE_HEADERS) do
    if headers[name] ~= nil then
      return true
    end
  end
  return false
end


-- The ways to say who one is. At most one of them may have been sent; it decides what happens. A signature may stand
-- beside a key, which then decides, and beside a token, which the service refuses.
-- Not kong.request.get_header(): it takes the first of several, and `taih_tenant_key` as well.
local CREDENTIALS = {
  { is_sent = function(headers) return headers[TENANT_HEADER] ~= nil end, admit = by_tenant_key },
  { is_sent = is_bearer, admit = by_bearer },
}


local function authenticate(conf, headers)
  local sent
  for _, credential in ipairs(CREDENTIALS) do
    if credential.is_sent(headers) then
      if sent then
        return refuse("conflicting_credentials")
      end
      sent = credential
    end
  end
  if sent then
    return sent.admit(conf, headers)
  elseif is_signed(headers) then
    return by_signature(headers)
  end
  return refuse("unauthorized")
end


function Plugin:access(conf)
  -- Kong's log plugins redact `authorization` only. A signed GET may be sent again for five minutes.
  for _, name in ipairs({ TENANT_HEADER, "x-gateway-auth", "signature" }) do
    kong.log.set_serialize_value("request.headers." .. name, nil)
  end

  local headers = kong.request.get_headers(MAX_HEADERS + 1)
  local id = request_id(headers)
  kong.ctx.plugin.request_id = id
  if count(headers) > MAX_HEADERS then
    return kong.response.exit(431, "")
  end

  strip(headers)
  kong.service.request.set_header("X-Request-Id", id)
  if connection_names_ours(headers) then
    return refuse("invalid_request")
  end
  if conf.mode == "authenticate" then
    keep_path()
    return authenticate(conf, headers)
  end
end


-- Errors that Kong or another plugin makes take the service's shape; what the service said stays as it is.
function Plugin:header_filter()
  local context = kong.ctx.plugin
  -- Unset where Kong failed before `access`, as with a path that no route has.
  local id = context.request_id or request_id(kong.request.get_headers(MAX_HEADERS + 1))
  kong.response.set_header("X-Request-Id", id)

  local code = Refusal.code_for(kong.response.get_status())
  if not code or context.refused or kong.ctx.shared.proxy_cache_hit or kong.response.get_source() == "service" then
    return
  end
  local retry_after = kong.response.get_header("Retry-After")
  local status, body, headers = Refusal.of(code, path(), id, retry_after)
  context.body = body
  kong.response.set_status(status)
  kong.response.set_headers(headers)
  kong.response.set_header("Content-Length", tostring(#body))
end


function Plugin:body_filter()
  local body = kong.ctx.plugin.body
  -- All of the body that was: nil before its end.
  if body and kong.response.get_raw_body() then
    kong.response.set_raw_body(body)
  end
end


return Plugin
