-- A publisher used to claim each event by an update and close it by another. Under a transaction that
-- keeps dead rows alive (a dump, a report), every claim then walked over all that had been claimed
-- before. Now a publisher holds a *queue* for a while, reads its events in their order from where it
-- stopped, and writes each only once, when it knows what became of it.

-- The order of events that were never tried, in the order in which their statements wrote them: one
-- counter of the database, so that no replica's clock matters. Those before this migration that still
-- wait get their numbers in the order of their ids.
CREATE SEQUENCE events_seq;
ALTER TABLE events
    ADD COLUMN seq        bigint,
    -- Of the platform's own events, what they are about; of ours it stands in the body.
    ADD COLUMN subject    text,
    -- Attempts that the receiver put off (429, 503 with Retry-After): they use up no retry.
    ADD COLUMN deferrals  integer NOT NULL DEFAULT 0,
    -- The last 20 attempts, oldest first: attempt, at, duration_ms, status, error.
    ADD COLUMN deliveries jsonb;
UPDATE events e SET seq = numbered.seq
FROM (SELECT org_id, id, nextval('events_seq') AS seq
      FROM (SELECT org_id, id FROM events WHERE state = 'pending' ORDER BY id) AS waiting) AS numbered
WHERE e.org_id = numbered.org_id AND e.id = numbered.id;
ALTER TABLE events ALTER COLUMN seq SET DEFAULT nextval('events_seq');
ALTER SEQUENCE events_seq OWNED BY events.seq;

ALTER TABLE events
    -- A queue may take some types only; the others are skipped and can be replayed.
    DROP CONSTRAINT events_state,
    ADD CONSTRAINT events_state CHECK (state IN ('pending', 'delivered', 'failed', 'skipped')),
    -- The platform has streams of its own.
    DROP CONSTRAINT events_stream;

-- What was never tried, oldest first, and what is tried again, by when it is due. An event is in one of
-- them. A replica of the version before, while it still runs, claims without an index: slower, and as
-- right.
CREATE INDEX events_fresh ON events (org_id, stream, seq) WHERE state = 'pending' AND attempts = 0;
CREATE INDEX events_retried ON events (org_id, stream, next_attempt_at, seq) WHERE state = 'pending' AND attempts > 0;
DROP INDEX events_due;

ALTER TABLE event_queues
    DROP CONSTRAINT event_queues_stream,
    DROP CONSTRAINT event_queues_type,
    ADD CONSTRAINT event_queues_type
        CHECK (type IN ('aws_sqs', 'azure_storage_queue', 'azure_event_hubs', 'kafka', 'webhook', 'poll')),
    -- The publisher that delivers this queue's events, and until when it may.
    ADD COLUMN holder      uuid,
    ADD COLUMN held_until  timestamptz,
    -- The types that the queue takes; null is all.
    ADD COLUMN event_types text[],
    -- Null: in no promised order.
    ADD COLUMN ordering    text,
    -- The form of a message.
    ADD COLUMN format      text NOT NULL DEFAULT 'envelope',
    -- A usage or a public key's id: bodies are encrypted to that key.
    ADD COLUMN encrypt_to  text,
    ADD CONSTRAINT event_queues_held CHECK ((holder IS NULL) = (held_until IS NULL)),
    ADD CONSTRAINT event_queues_ordering CHECK (ordering IN ('per_subject')),
    ADD CONSTRAINT event_queues_format CHECK (format IN ('envelope', 'cloudevents'));
-- A hold changes a row in its own page, which touches no index.
ALTER TABLE event_queues SET (fillfactor = 50);
