-- Reports (contract 12.4): what an org asked for, and how far it is. Both tables are new, so the version before knows
-- nothing of them and is not disturbed.
CREATE TABLE reports (
    org_id      uuid        NOT NULL,
    id          uuid        NOT NULL,
    type        text        NOT NULL,
    format      text        NOT NULL,
    -- Of what was created from here on, and before there.
    from_at     timestamptz,
    to_at       timestamptz,
    -- The public key that it is encrypted to, chosen when it was asked for. Such rows stay when a key ends, so that
    -- a report always says for whom it was.
    unique_id   uuid        NOT NULL,
    fingerprint text        NOT NULL,
    key_type    text        NOT NULL,
    -- `deleted` is seen by nobody: the row stays until its content, which may be long, is gone in slices.
    state       text        NOT NULL DEFAULT 'queued',
    -- When it is due to be made; while it is being made, when the lease ends.
    due_at      timestamptz NOT NULL,
    -- Whose claim it is; only its holder writes content and closes it.
    lease       uuid,
    -- Counts the claims. Content is kept by it, so that what one maker wrote is never mixed with another's.
    attempt     integer     NOT NULL DEFAULT 0,
    -- Of those, how many failed or were cut off; a maker that was told to stop is none of them.
    failures    integer     NOT NULL DEFAULT 0,
    started_at  timestamptz,
    -- Rows in the snapshot that it is made from; null until they are counted.
    total       bigint,
    row_count   bigint      NOT NULL DEFAULT 0,
    byte_count  bigint      NOT NULL DEFAULT 0,
    -- Of the whole content as it is sent.
    sha256      bytea,
    -- Why it failed, for the partner.
    reason      text,
    -- Whether there may be content to be cleared away.
    has_content boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL,
    ready_at    timestamptz,
    expires_at  timestamptz,
    CONSTRAINT reports_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT reports_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT reports_type CHECK (type IN ('users', 'audit_log', 'events', 'credentials')),
    CONSTRAINT reports_format CHECK (format IN ('ndjson', 'csv')),
    CONSTRAINT reports_key_type CHECK (key_type IN ('RSA', 'PGP')),
    CONSTRAINT reports_state CHECK (state IN ('queued', 'running', 'ready', 'failed', 'expired', 'deleted')),
    CONSTRAINT reports_leased CHECK ((state = 'running') = (lease IS NOT NULL)),
    CONSTRAINT reports_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT reports_ready CHECK (state <> 'ready'
        OR (ready_at IS NOT NULL AND expires_at IS NOT NULL AND sha256 IS NOT NULL))
);

-- Lists are ordered by creation, ties by id (contract 1).
CREATE INDEX reports_by_creation ON reports (org_id, created_at, id);
-- What there is to make, and what a dead maker left: few rows at any time.
CREATE INDEX reports_due ON reports (due_at) WHERE state IN ('queued', 'running');
-- One of an org's reports is made at a time, so that they never take all makers.
CREATE UNIQUE INDEX reports_one_running ON reports (org_id) WHERE state = 'running';
CREATE INDEX reports_to_expire ON reports (expires_at) WHERE state = 'ready';
CREATE INDEX reports_to_clear ON reports (created_at) WHERE state IN ('failed', 'expired', 'deleted');

-- Content, encrypted before it came here.
CREATE TABLE report_chunks (
    org_id    uuid    NOT NULL,
    report_id uuid    NOT NULL,
    attempt   integer NOT NULL,
    -- Of its first octet in the whole, so that any range is found by the primary key.
    position  bigint  NOT NULL,
    bytes     bytea   NOT NULL,
    CONSTRAINT report_chunks_pkey PRIMARY KEY (org_id, report_id, attempt, position),
    -- Not to the report: a row of it goes last, and it is written only under that row's lease.
    CONSTRAINT report_chunks_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);
-- What is encrypted does not get shorter.
ALTER TABLE report_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
