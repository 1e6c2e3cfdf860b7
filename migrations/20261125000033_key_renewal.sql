-- The service's own keys can be renewed (`partner-api keys renew`); each has generations, of which
-- those from before this migration are number 0. The version before knows these only, so it must
-- not run beside or after a renewal.
ALTER TABLE service_keys
    -- When it was renewed; null for the first generation.
    ADD COLUMN created_at timestamptz;

-- Which generation of the pepper the digest was made with. A digest cannot be made again without
-- its key, so a key moves to the newest pepper when it is used.
ALTER TABLE tenant_keys ADD COLUMN pepper smallint NOT NULL DEFAULT 0;

-- The oldest generation of the audit key that may still write the org's log: raised by the row that
-- hands the chain over, so that a replica that has not heard of a renewal writes nothing after it.
ALTER TABLE orgs ADD COLUMN audit_key smallint NOT NULL DEFAULT 0;
