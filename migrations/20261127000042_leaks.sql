-- Keys that were found where others can read them (contract 13.4): reported by anybody, answered as the org wants it.
ALTER TABLE tenant_keys
    -- The first report; further ones change nothing.
    ADD COLUMN leaked_at timestamptz,
    -- Who reported it: `report`, `github`, or the name that an operator gave.
    ADD COLUMN leak_source text,
    -- Where it was found and what was said of it: strangers' text, without the key itself.
    ADD COLUMN leak_url text,
    ADD COLUMN leak_note text,
    -- What was done: `notify` leaves the key as it was; with `grace` and `revoke` it administers nothing any more.
    ADD COLUMN leak_response text,
    -- The end that it had before, for the lifetime of its successor.
    ADD COLUMN leak_own_end timestamptz,
    ADD CONSTRAINT tenant_keys_leak CHECK (
        (leaked_at IS NULL) = (leak_source IS NULL) AND (leaked_at IS NULL) = (leak_response IS NULL)
        AND (leaked_at IS NOT NULL OR (leak_url IS NULL AND leak_note IS NULL AND leak_own_end IS NULL))
    );

ALTER TABLE orgs
    -- What happens to a key that leaked, and for `grace` how long it still works, in seconds.
    ADD COLUMN leak_policy text NOT NULL DEFAULT 'grace',
    ADD COLUMN leak_grace_seconds integer NOT NULL DEFAULT 86400,
    ADD CONSTRAINT orgs_leak_policy CHECK (leak_policy IN ('notify', 'grace', 'revoke')),
    ADD CONSTRAINT orgs_leak_grace CHECK (leak_grace_seconds BETWEEN 0 AND 604800);
