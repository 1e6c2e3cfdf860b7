-- The console (contract 17): sessions of the platform's people. Of no tenant: whoever sits there sees all of them.
-- Rows rather than signed cookies, so that leaving ends a session everywhere.
CREATE TABLE console_sessions (
    id                uuid        NOT NULL,
    -- Of the cookie: a keyed hash, of which no cookie can be made.
    token_digest      bytea       NOT NULL,
    -- The platform token that was shown: the session does what it may, and ends with it.
    platform_token_id uuid        NOT NULL,
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    -- Whoever sat there has left.
    ended_at          timestamptz,
    -- The forms that were sent and must not be taken again: each has a random word of its own.
    spent_forms       text[]      NOT NULL DEFAULT '{}',
    CONSTRAINT console_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT console_sessions_token_digest_unique UNIQUE (token_digest),
    CONSTRAINT console_sessions_token_digest_length CHECK (octet_length(token_digest) = 32),
    CONSTRAINT console_sessions_platform_token_id_fkey
        FOREIGN KEY (platform_token_id) REFERENCES platform_tokens (id) ON DELETE CASCADE
);
CREATE INDEX console_sessions_by_platform_token ON console_sessions (platform_token_id);
CREATE INDEX console_sessions_by_expiry ON console_sessions (expires_at);
