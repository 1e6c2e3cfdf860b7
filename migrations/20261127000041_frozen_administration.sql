-- The brake on an org's administration (contract 13.4): whoever holds any live key pulls it, only a signature or an
-- operator releases it. Kept in the org's own row, which every change of the org reads and writes anyway.
ALTER TABLE orgs
    -- Since when nothing of its administration changes; NULL while it does.
    ADD COLUMN frozen_at timestamptz,
    -- For people: what was said when it was frozen.
    ADD COLUMN freeze_reason text,
    ADD CONSTRAINT orgs_freeze_reason CHECK (freeze_reason IS NULL OR frozen_at IS NOT NULL);
