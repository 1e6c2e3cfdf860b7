-- The tokens of the platform's own services (contract 15). Nobody's tenant data, so no org. Stored as tenant keys are:
-- a keyed hash, of which no token can be made.
CREATE TABLE platform_tokens (
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    -- The first characters, for people to tell tokens apart.
    prefix       text        NOT NULL,
    digest       bytea       NOT NULL,
    -- The number of the pepper under `digest`.
    pepper       smallint    NOT NULL,
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL,
    -- Written once a minute at most.
    last_used_at timestamptz,
    revoked_at   timestamptz,
    CONSTRAINT platform_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT platform_tokens_digest_unique UNIQUE (digest),
    CONSTRAINT platform_tokens_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT platform_tokens_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT platform_tokens_scopes_some CHECK (cardinality(scopes) > 0)
);

-- A link that hands an org its credentials (contract 15 and 17). It holds none: they are made when it is opened.
CREATE TABLE claims (
    org_id      uuid        NOT NULL,
    id          uuid        NOT NULL,
    digest      bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    opened_at   timestamptz,
    -- Somebody tried again: told once.
    reopened_at timestamptz,
    CONSTRAINT claims_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT claims_digest_unique UNIQUE (digest),
    CONSTRAINT claims_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT claims_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT claims_reopened_after_opened CHECK (reopened_at IS NULL OR opened_at IS NOT NULL)
);
CREATE INDEX claims_by_expiry ON claims (expires_at);

-- Whom the platform writes to about an org.
ALTER TABLE orgs ADD COLUMN contact_emails text[] NOT NULL DEFAULT '{}';
ALTER TABLE orgs ADD CONSTRAINT orgs_contact_emails_few CHECK (cardinality(contact_emails) <= 10);
-- Why it is suspended, for whoever looks later.
ALTER TABLE orgs ADD COLUMN suspend_reason text;
ALTER TABLE orgs ADD CONSTRAINT orgs_suspend_reason_length CHECK (char_length(suspend_reason) BETWEEN 1 AND 200);
-- Tokens issued before, to members and to backends, are good for nothing: set when an org is recovered from a thief.
ALTER TABLE orgs ADD COLUMN tokens_valid_from timestamptz;
-- The platform's list of orgs is in the order of creation, as all lists are.
CREATE INDEX orgs_by_creation ON orgs (created_at, id);

-- Two more authors: a service of the platform, by its token, and whoever opened a claim.
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor
    CHECK (actor IN ('operator', 'gateway', 'tenant_key', 'public_key', 'service', 'platform', 'claim'));
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor_key;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_key
    CHECK ((actor IN ('tenant_key', 'public_key', 'platform', 'claim')) = (key_id IS NOT NULL));
