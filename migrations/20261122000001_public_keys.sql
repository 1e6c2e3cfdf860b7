-- Partners' public keys: what we send them is encrypted to these, and what they sign is checked
-- with them. "Alive once in the org" is decided under orgs.revision, as limits are: an end that
-- comes by itself is a comparison with the clock, which no index can hold.
CREATE TABLE public_keys (
    org_id            uuid        NOT NULL,
    unique_id         uuid        NOT NULL,
    usages            text[]      NOT NULL,
    type              text        NOT NULL,
    -- Canonical: SPKI PEM, or an armored certificate with nothing in it that its owner did not sign.
    public_key        text        NOT NULL,
    -- The same for every form of one key: SHA-256 of the SPKI, or OpenPGP's own.
    fingerprint       text        NOT NULL,
    -- For people, such as RSA-3072.
    algorithm         text        NOT NULL,
    related_client_id text,
    -- The private half (PKCS#8) of a pair made here, sealed. It stays when the key ends: what was
    -- encrypted before can still be read.
    sealed            bytea,
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    -- When the end was set: a warning comes only where there is time for it.
    expiry_set_at     timestamptz NOT NULL,
    -- The nearest warning already sent, in days before the end; 0 is `expired`, null is none.
    expiry_told       smallint,
    -- An end that must hold at once is this state, not a comparison of clocks.
    deleted_at        timestamptz,
    version           bigint      NOT NULL DEFAULT 1,
    CONSTRAINT public_keys_pkey PRIMARY KEY (org_id, unique_id),
    CONSTRAINT public_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT public_keys_type CHECK (type IN ('RSA', 'PGP')),
    CONSTRAINT public_keys_usages CHECK (cardinality(usages) > 0 AND usages <@ ARRAY[
        'Unknown', 'Reports', 'Authentication', 'MessageLevelEncryption', 'CredentialsDownload', 'ResponseSignature']),
    CONSTRAINT public_keys_made_here CHECK (sealed IS NULL OR type = 'RSA'),
    CONSTRAINT public_keys_related_client_id_length CHECK (char_length(related_client_id) <= 200),
    CONSTRAINT public_keys_expiry_told CHECK (expiry_told IN (30, 7, 1, 0))
);

-- Lists are ordered by creation, ties by id; read from its end it finds the key registered last.
CREATE INDEX public_keys_by_creation ON public_keys (org_id, created_at, unique_id);
-- What is to end and has not been announced to its end yet.
CREATE INDEX public_keys_to_expire ON public_keys (expires_at)
    WHERE deleted_at IS NULL AND expiry_told IS DISTINCT FROM 0;
