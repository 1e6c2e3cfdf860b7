-- Keys that partners had before they came to this service (contract 15): known by their hashes alone, until each is used
-- and hashed as our own are.

-- The forms of such keys, which are looked up although they are not of ours. The platform's, and few: no tenant's data.
CREATE TABLE key_patterns (
    id           uuid        NOT NULL,
    -- What every key of this form begins with, how many characters follow, and which.
    prefix       text        NOT NULL,
    length       smallint    NOT NULL,
    alphabet     text        NOT NULL,
    -- Tells the secrets below apart without opening them; empty where there is none.
    fingerprint  bytea       NOT NULL,
    -- The secret under HMAC-SHA-256 hashes of this form, sealed; null where only plain SHA-256 is taken.
    sealed       bytea,
    created_at   timestamptz NOT NULL,
    -- A form that no live key has is forgotten, but not in the middle of an import.
    imported_at  timestamptz NOT NULL,
    CONSTRAINT key_patterns_pkey PRIMARY KEY (id),
    CONSTRAINT key_patterns_form_unique UNIQUE (prefix, length, alphabet, fingerprint),
    CONSTRAINT key_patterns_prefix_length CHECK (char_length(prefix) <= 32),
    CONSTRAINT key_patterns_length_bounds CHECK (length BETWEEN 16 AND 128),
    CONSTRAINT key_patterns_alphabet_known CHECK (alphabet IN ('hex', 'base32', 'base36', 'base62', 'base64url')),
    CONSTRAINT key_patterns_sealed_whole CHECK ((sealed IS NULL) = (octet_length(fingerprint) = 0))
);

ALTER TABLE tenant_keys
    -- The version before makes keys without naming this.
    ADD COLUMN origin     text NOT NULL DEFAULT 'made',
    ADD COLUMN pattern_id uuid,
    ADD CONSTRAINT tenant_keys_origin CHECK (origin IN ('made', 'imported')),
    ADD CONSTRAINT tenant_keys_imported_ends CHECK (origin = 'made' OR expires_at IS NOT NULL),
    ADD CONSTRAINT tenant_keys_pattern_id_fkey FOREIGN KEY (pattern_id) REFERENCES key_patterns (id) ON DELETE SET NULL;
-- Which forms are still in use. Keys of our own, nearly all, are not in it.
CREATE INDEX tenant_keys_by_pattern ON tenant_keys (pattern_id) WHERE pattern_id IS NOT NULL;
