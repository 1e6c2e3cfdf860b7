-- How a queue's receiver did of late: attempts by the minute, which replicas add to. Kept for two hours.
CREATE TABLE queue_minutes (
    org_id    uuid        NOT NULL,
    stream    text        NOT NULL,
    minute    timestamptz NOT NULL,
    attempts  bigint      NOT NULL,
    delivered bigint      NOT NULL,
    -- Attempts by how long they took: the service knows the bounds.
    durations integer[]   NOT NULL,
    CONSTRAINT queue_minutes_pkey PRIMARY KEY (org_id, stream, minute),
    CONSTRAINT queue_minutes_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
) WITH (fillfactor = 70);
-- Retention deletes by age. Adding to a row changes no column of it.
CREATE INDEX queue_minutes_by_age ON queue_minutes (minute);

ALTER TABLE event_queues
    -- Since when the other stream knows that this queue does not work; null while it works.
    ADD COLUMN failing_since timestamptz;
-- What is to be told: 20 failures in a row, and success after that. Few rows at any time.
CREATE INDEX event_queues_to_tell ON event_queues (org_id, stream)
    WHERE (failures >= 20 AND failing_since IS NULL) OR (failures = 0 AND failing_since IS NOT NULL);
