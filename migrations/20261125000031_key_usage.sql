-- What becomes of a key, for whoever has to decide whether it may go: written once a minute with
-- `last_used_at`, never on a request's path. All three have defaults, so the version before, which
-- knows none of them, goes on writing keys.
ALTER TABLE tenant_keys
    -- Member tokens that were issued under it.
    ADD COLUMN tokens_issued bigint NOT NULL DEFAULT 0,
    -- How often it was sent after it had ended, and when last: somebody still has it.
    ADD COLUMN dead_uses     bigint NOT NULL DEFAULT 0,
    ADD COLUMN dead_used_at  timestamptz;
