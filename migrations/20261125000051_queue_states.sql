-- A queue can stand still until somebody resumes it: at the partner's request, or because the
-- receiver answered that it is gone (410). `paused_until`, which is there already, ends by itself.
ALTER TABLE event_queues
    ADD COLUMN paused_at    timestamptz,
    ADD COLUMN pause_reason text,
    -- What waits for its retry is to be tried now: the queue was replaced, tested well or resumed.
    -- A mark and not an update of the events, of which there may be many; the publisher moves them
    -- in slices, then clears it.
    ADD COLUMN is_woken     boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT event_queues_pause CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    ADD CONSTRAINT event_queues_pause_reason CHECK (pause_reason IN ('requested', 'gone'));

-- Few at any time.
CREATE INDEX event_queues_woken ON event_queues (org_id, stream) WHERE is_woken;

-- What a queue's old target is told once when it loses the queue: that it was replaced, removed or
-- paused. A row holds the target as it was, sealed part included, and goes with its only attempt,
-- so within seconds; `reseal` need not know it.
CREATE TABLE queue_notices (
    org_id      uuid        NOT NULL,
    -- The id of the event that the other stream carries as well.
    event_id    uuid        NOT NULL,
    -- The stream of the queue concerned: where its sealed part opens.
    stream      text        NOT NULL,
    queue_type  text        NOT NULL,
    settings    jsonb       NOT NULL,
    sealed      bytea,
    type        text        NOT NULL,
    -- The very bytes that are signed.
    body        text        NOT NULL,
    traceparent text,
    created_at  timestamptz NOT NULL,
    -- Until when a publisher has it in hand; one that dies lets another try.
    held_until  timestamptz NOT NULL,
    CONSTRAINT queue_notices_pkey PRIMARY KEY (org_id, event_id),
    CONSTRAINT queue_notices_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);
