-- Rotations in two phases (contract 13.1): the successor exists and works, and waits for a confirmation. Until then the
-- old key's row knows nothing of it, so that an abandoned rotation leaves it as if nothing had happened.
ALTER TABLE tenant_keys
    -- The key that this one replaces once it is confirmed. Neither a foreign key nor unique: it is cleared with the
    -- wait, and a wait that has run out may be cleared after the next one began.
    ADD COLUMN pending_of    uuid,
    ADD COLUMN activation    text,
    -- The end of the wait. While it lasts it is also the key's own end (expires_at), so that whatever judges whether a
    -- key is alive, the version before included, needs to know nothing else.
    ADD COLUMN confirm_by    timestamptz,
    -- The old key's grace window, in seconds, from the confirmation on.
    ADD COLUMN grace_seconds integer,
    -- The end that the key has once it is confirmed.
    ADD COLUMN ends_at       timestamptz,
    ADD CONSTRAINT tenant_keys_activation CHECK (activation IN ('on_confirm', 'on_first_use')),
    ADD CONSTRAINT tenant_keys_pending_whole CHECK (
        (pending_of IS NULL) = (activation IS NULL) AND (pending_of IS NULL) = (confirm_by IS NULL)
        AND (pending_of IS NULL) = (grace_seconds IS NULL) AND (pending_of IS NOT NULL OR ends_at IS NULL)),
    ADD CONSTRAINT tenant_keys_pending_ends CHECK (pending_of IS NULL OR (expires_at IS NOT NULL AND expires_at <= confirm_by));

-- Waits that may have run out.
CREATE INDEX tenant_keys_to_confirm ON tenant_keys (confirm_by) WHERE pending_of IS NOT NULL;

-- The same of signing secrets. One that waits is stored as a previous one that ends with the wait: it signs along, and the
-- version before knows it as such.
ALTER TABLE signing_secrets
    ADD COLUMN pending_of    uuid,
    ADD COLUMN confirm_by    timestamptz,
    ADD COLUMN grace_seconds integer,
    ADD CONSTRAINT signing_secrets_pending_whole CHECK (
        (pending_of IS NULL) = (confirm_by IS NULL) AND (pending_of IS NULL) = (grace_seconds IS NULL)),
    ADD CONSTRAINT signing_secrets_pending_ends CHECK (pending_of IS NULL OR expires_at = confirm_by);

CREATE INDEX signing_secrets_to_confirm ON signing_secrets (confirm_by) WHERE pending_of IS NOT NULL;
