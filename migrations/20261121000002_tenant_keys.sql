-- Keys of the service itself, random and sealed under the master key. Not tenant data, so no org.
CREATE TABLE service_keys (
    name   text  NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT service_keys_pkey PRIMARY KEY (name)
);

-- The salt of MASTER_PASSPHRASE_FILE: one row, made on first use.
CREATE TABLE passphrase_salt (
    only_row boolean NOT NULL DEFAULT true,
    salt     bytea   NOT NULL,
    CONSTRAINT passphrase_salt_pkey PRIMARY KEY (only_row),
    CONSTRAINT passphrase_salt_only_row CHECK (only_row)
);

-- Counts the org's administrative changes. It numbers the audit log without gaps, and is the
-- optimistic lock under which limits are counted: a change applies only if the number is still
-- the one its author read. Not indexed, so raising it neither moves the row nor blocks the
-- foreign keys of user inserts.
ALTER TABLE orgs ADD COLUMN revision bigint NOT NULL DEFAULT 0;

CREATE TABLE tenant_keys (
    org_id       uuid        NOT NULL,
    id           uuid        NOT NULL,
    name         text        NOT NULL,
    -- The first characters, for people to tell keys apart.
    prefix       text        NOT NULL,
    -- HMAC-SHA-256 under the pepper; the key itself is nowhere.
    digest       bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    rotated_at   timestamptz,
    rotated_to   uuid,
    -- An end that must hold at once is this state, not a comparison of clocks.
    revoked_at   timestamptz,
    last_used_at timestamptz,
    CONSTRAINT tenant_keys_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT tenant_keys_digest_unique UNIQUE (digest),
    -- One successor has one predecessor.
    CONSTRAINT tenant_keys_rotated_to_unique UNIQUE (org_id, rotated_to),
    CONSTRAINT tenant_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT tenant_keys_rotated_to_fkey FOREIGN KEY (org_id, rotated_to) REFERENCES tenant_keys (org_id, id),
    CONSTRAINT tenant_keys_rotated_whole CHECK ((rotated_at IS NULL) = (rotated_to IS NULL)),
    CONSTRAINT tenant_keys_rotated_ends CHECK (rotated_at IS NULL OR expires_at IS NOT NULL),
    CONSTRAINT tenant_keys_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT tenant_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 200)
);

-- Lists are ordered by creation, ties by id (contract 1).
CREATE INDEX tenant_keys_by_creation ON tenant_keys (org_id, created_at, id);

-- Who changed what. No foreign key to orgs: the log outlives the org it is about.
CREATE TABLE audit_log (
    org_id     uuid        NOT NULL,
    -- orgs.revision after the change: without gaps.
    seq        bigint      NOT NULL,
    at         timestamptz NOT NULL,
    -- `operator`, `gateway` (an OrgId without a key), or the tenant key that authenticated.
    actor      text        NOT NULL,
    key_id     uuid,
    action     text        NOT NULL,
    subject    text        NOT NULL,
    request_id text,
    CONSTRAINT audit_log_pkey PRIMARY KEY (org_id, seq),
    CONSTRAINT audit_log_actor CHECK (actor IN ('operator', 'gateway', 'tenant_key')),
    CONSTRAINT audit_log_actor_key CHECK ((actor = 'tenant_key') = (key_id IS NOT NULL))
);

CREATE FUNCTION audit_log_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse_change();
