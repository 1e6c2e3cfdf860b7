-- Signed requests (contract 12.1).

-- Which requests of an org must be signed. The version before signs nothing and asks for nothing: 'optional'.
ALTER TABLE orgs
    ADD COLUMN signature_policy text NOT NULL DEFAULT 'optional',
    ADD CONSTRAINT orgs_signature_policy CHECK (signature_policy IN ('optional', 'administration', 'required'));

-- A signature names its key and nothing else, so that the org is found by the key.
CREATE INDEX public_keys_that_authenticate ON public_keys (unique_id)
    WHERE type = 'RSA' AND sealed IS NULL AND deleted_at IS NULL AND 'Authentication' = ANY (usages);

-- Nonces that were used, until the signature that holds one is too old to pass: so each passes once, however many
-- replicas there are and whatever crashes. Nothing refers to them and they are gone in minutes.
CREATE TABLE signature_nonces (
    org_id     uuid        NOT NULL,
    unique_id  uuid        NOT NULL,
    -- SHA-256, so that rows are short whatever was sent.
    nonce      bytea       NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT signature_nonces_pkey PRIMARY KEY (org_id, unique_id, nonce),
    CONSTRAINT signature_nonces_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT signature_nonces_nonce CHECK (octet_length(nonce) = 32)
);
CREATE INDEX signature_nonces_to_forget ON signature_nonces (expires_at);

-- A change may be made under a signature alone; its row names the public key.
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor
    CHECK (actor IN ('operator', 'gateway', 'tenant_key', 'public_key', 'service'));
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor_key;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_key
    CHECK ((actor IN ('tenant_key', 'public_key')) = (key_id IS NOT NULL));
