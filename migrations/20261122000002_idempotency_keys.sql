-- Replies to POST requests that carried an `Idempotency-Key` (contract 7). A row is written in the
-- transaction of the change that it answers, so a crash leaves both or neither.
CREATE TABLE idempotency_keys (
    org_id         uuid        NOT NULL,
    -- HMAC of credential, method, path and the client's key: of one length whatever was sent, and
    -- of no use to whoever reads the table.
    scope          bytea       NOT NULL,
    -- HMAC of the request body, to tell a retry from another request under the same key.
    request_mac    bytea       NOT NULL,
    status         smallint    NOT NULL,
    -- The reply, where it holds no secret.
    body           text,
    -- The reply, where it does; gone after a few minutes.
    sealed         bytea,
    -- Until when `sealed` may be shown.
    readable_until timestamptz,
    -- The ids of what was made, for whoever comes after that.
    made           jsonb,
    created_at     timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (org_id, scope),
    CONSTRAINT idempotency_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_scope_length CHECK (octet_length(scope) = 32),
    CONSTRAINT idempotency_keys_request_mac_length CHECK (octet_length(request_mac) = 32),
    CONSTRAINT idempotency_keys_success CHECK (status BETWEEN 200 AND 299),
    -- In clear, or a secret with an end.
    CONSTRAINT idempotency_keys_one_body CHECK (
        (body IS NOT NULL AND sealed IS NULL AND readable_until IS NULL AND made IS NULL)
        OR (body IS NULL AND readable_until IS NOT NULL AND made IS NOT NULL))
);

-- Two jobs look for what is old, across all orgs.
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_with_secret ON idempotency_keys (readable_until) WHERE sealed IS NOT NULL;
