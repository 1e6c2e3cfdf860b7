-- Errors that the service never sees, in the very bytes it would have answered with: its texts, and the
-- shape that the path calls for (contract 1 and 9). tests/interop/gateway compares them with the service.

local Refusal = {}

-- By the service's code: status and text.
local CODES = {
  unauthorized = { 401, "Credentials are missing or not valid." },
  forbidden = { 403, "This organisation has no access." },
  not_found = { 404, "There is no such resource." },
  method_not_allowed = { 405, "This resource does not support that method; see the Allow header." },
  invalid_request = { 400, "The request is not valid." },
  conflicting_credentials = { 400, "A bearer token cannot be combined with a tenant key or an OrgId." },
  payload_too_large = { 413, "The request body is too large." },
  rate_limited = { 429, "Too many requests; try again later." },
  internal_error = { 500, "Something went wrong on our side." },
  service_unavailable = { 503, "The service cannot answer right now; try again later." },
}

-- Kong's own errors, by the status Kong gives them. A service that cannot be reached is one that cannot answer.
local BY_STATUS = {
  [400] = "invalid_request", [401] = "unauthorized", [403] = "forbidden", [404] = "not_found",
  [405] = "method_not_allowed", [413] = "payload_too_large", [429] = "rate_limited", [500] = "internal_error",
  [502] = "service_unavailable", [503] = "service_unavailable", [504] = "service_unavailable",
}

-- Templates and not cjson, which writes an empty list as {}. Neither texts nor ids need escaping.
local ENVELOPE = '{"error":{"code":"%s","message":"%s","details":[],"request_id":"%s"}}'
-- The token endpoint speaks RFC 6749 5.2.
local TOKEN_PATH = "/v1/oauth/token"
local OAUTH = '{"error":"%s","error_description":"%s"}'
local OAUTH_NAMES = {
  internal_error = "server_error", rate_limited = "temporarily_unavailable", service_unavailable = "temporarily_unavailable",
}
local TRACED = '{"TraceId":"%s","Error":{"Code":"%s","Message":"%s","AdditionalInfo":"","ExtraData":{}}}'


local function body_of(path, code, message, request_id)
  if path == TOKEN_PATH then
    return OAUTH:format(OAUTH_NAMES[code] or "invalid_request", message)
  end
  if (path .. "/"):find("^/api/v1/key/") then
    return TRACED:format(request_id, code, message)
  end
  return ENVELOPE:format(code, message, request_id)
end


-- Status, body and headers of the error `code` on `path`. `retry_after` in seconds; 429 and 503 always have one.
function Refusal.of(code, path, request_id, retry_after)
  local status, message = CODES[code][1], CODES[code][2]
  local headers = {
    ["Content-Type"] = "application/json",
    ["Cache-Control"] = "no-store",
    ["X-Request-Id"] = request_id,
  }
  if status == 401 then
    headers["WWW-Authenticate"] = 'ApiKey realm="partner-api"'
  elseif status == 429 or status == 503 then
    headers["Retry-After"] = tostring(retry_after or 1)
  end
  return status, body_of(path, code, message, request_id), headers
end


-- The code for an error of Kong's own, or nil where the contract asks for no body.
function Refusal.code_for(status)
  return BY_STATUS[status]
end


return Refusal
