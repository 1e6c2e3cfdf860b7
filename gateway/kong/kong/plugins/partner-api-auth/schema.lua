-- Configuration of partner-api-auth; what the fields do is told in handler.lua.

local typedefs = require "kong.db.schema.typedefs"

return {
  name = "partner-api-auth",
  fields = {
    -- It decides who the caller is, so it cannot depend on that.
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
        type = "record",
        fields = {
          { mode = {
              description = "`authenticate` checks credentials; `strip` only removes spoofed headers.",
              type = "string", required = true, default = "authenticate",
              one_of = { "authenticate", "strip" },
          } },
          { verify_url = typedefs.url {
              description = "The service's /internal/auth/verify, on its internal listener.",
          } },
          { gateway_secret = {
              description = "One of the service's GATEWAY_SECRETS; give a vault reference, not the secret.",
              type = "string", len_min = 32, referenceable = true, encrypted = true,
          } },
          { gateway_secret_file = {
              description = "A file whose first line is the secret; read again while Kong runs.",
              type = "string",
          } },
          { timeout_ms = {
              description = "How long connecting, sending and reading may take, each.",
              type = "integer", required = true, default = 1500, between = { 100, 5000 },
          } },
          { negative_ttl = {
              description = "Seconds for which a refusal is remembered.",
              type = "number", required = true, default = 5, between = { 0, 5 },
          } },
          { failed_keys_per_minute = {
              description = "Refused keys of one address, after which no more are asked about for the minute; 0: any number.",
              type = "integer", required = true, default = 0, between = { 0, 1000000 },
          } },
          { enforce_rate_limit = {
              description = "Whether orgs are held to the limits that the service tells, before it is asked.",
              type = "boolean", required = true, default = false,
          } },
        },
    } },
  },
  -- `strip` removes what clients may not say (documentation, public keys) and needs none of these.
  entity_checks = {
    { conditional = {
        if_field = "config.mode", if_match = { eq = "authenticate" },
        then_field = "config.verify_url", then_match = { required = true },
    } },
    { conditional_at_least_one_of = {
        if_field = "config.mode", if_match = { eq = "authenticate" },
        then_at_least_one_of = { "config.gateway_secret", "config.gateway_secret_file" },
    } },
  },
}
