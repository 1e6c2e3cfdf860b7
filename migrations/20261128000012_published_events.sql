-- The platform publishes events of its own (contract 15). It may name each, so that one that it sends twice is one
-- event: the name is its own, and the event's id is ours, in the order of creation.
ALTER TABLE events
    ADD COLUMN external_id text,
    ADD CONSTRAINT events_external_id CHECK (length(external_id) BETWEEN 1 AND 100) NOT VALID;
CREATE UNIQUE INDEX events_published_once ON events (org_id, external_id) WHERE external_id IS NOT NULL;
