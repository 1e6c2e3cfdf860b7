-- The portal (contract 17): a link that opens once, and the session that it opens. One row is both, so that a link
-- cannot open two. Only keyed hashes are kept: neither a link nor a cookie can be made of them.
CREATE TABLE portal_sessions (
    org_id          uuid        NOT NULL,
    id              uuid        NOT NULL,
    link_digest     bytea       NOT NULL,
    link_expires_at timestamptz NOT NULL,
    -- Of the cookie. Made when the link is opened, so that whoever knows the link knows nothing of the session.
    token_digest    bytea,
    -- The link's end, until it is opened; then the session's.
    expires_at      timestamptz NOT NULL,
    opened_at       timestamptz,
    -- Logged out, or ended with the org's freezing, suspension or recovery.
    ended_at        timestamptz,
    role            text        NOT NULL,
    -- The person, in the platform's words; the audit log names it.
    actor_id        text        NOT NULL,
    actor_email     text,
    return_url      text,
    -- What may be done in it; the key's own scopes bind as well.
    scopes          text[]      NOT NULL,
    -- The credential that asked for it: the session ends with it.
    key_id          uuid,
    public_key_id   uuid,
    -- It was asked for by a signed request or by the platform, as some orgs demand of all that administers.
    is_signed       boolean     NOT NULL,
    created_at      timestamptz NOT NULL,
    CONSTRAINT portal_sessions_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT portal_sessions_link_digest_unique UNIQUE (link_digest),
    CONSTRAINT portal_sessions_token_digest_unique UNIQUE (token_digest),
    CONSTRAINT portal_sessions_link_digest_length CHECK (octet_length(link_digest) = 32),
    CONSTRAINT portal_sessions_token_digest_length CHECK (octet_length(token_digest) = 32),
    CONSTRAINT portal_sessions_role CHECK (role IN ('viewer', 'developer', 'admin')),
    CONSTRAINT portal_sessions_actor_id_length CHECK (char_length(actor_id) BETWEEN 1 AND 128),
    CONSTRAINT portal_sessions_opened CHECK ((opened_at IS NULL) = (token_digest IS NULL)),
    CONSTRAINT portal_sessions_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);
CREATE INDEX portal_sessions_by_expiry ON portal_sessions (expires_at);

-- One more author, with a name beside its id: the person in the portal, in a session.
ALTER TABLE audit_log ADD COLUMN actor_id text;
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor
    CHECK (actor IN ('operator', 'gateway', 'tenant_key', 'public_key', 'service', 'platform', 'claim', 'portal'));
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor_key;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_key
    CHECK ((actor IN ('tenant_key', 'public_key', 'platform', 'claim', 'portal')) = (key_id IS NOT NULL));
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_person CHECK ((actor = 'portal') = (actor_id IS NOT NULL));
