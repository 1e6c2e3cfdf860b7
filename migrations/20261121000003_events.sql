-- Every event tells the version of its subject, so that a receiver can order what it is sent.
ALTER TABLE users ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE tenant_keys
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    -- When the end was set: a warning comes only where there is time for it.
    ADD COLUMN expiry_set_at timestamptz,
    -- The nearest warning already sent, in days before the end; 0 is `expired`, null is none.
    ADD COLUMN expiry_told smallint,
    ADD CONSTRAINT tenant_keys_expiry_told CHECK (expiry_told IN (30, 7, 1, 0));
UPDATE tenant_keys SET expiry_set_at = coalesce(rotated_at, created_at) WHERE expires_at IS NOT NULL;
ALTER TABLE tenant_keys
    ADD CONSTRAINT tenant_keys_expiry_set CHECK ((expires_at IS NULL) = (expiry_set_at IS NULL));

-- What is to end and has not been announced to its end yet.
CREATE INDEX tenant_keys_to_expire ON tenant_keys (expires_at)
    WHERE revoked_at IS NULL AND expiry_told IS DISTINCT FROM 0;

CREATE TABLE signing_secrets (
    org_id        uuid        NOT NULL,
    id            uuid        NOT NULL,
    -- Sealed under the master key; null once the secret is dead.
    sealed        bytea,
    -- HMAC over the org's id and the secret: recognises one that comes again, within the org only.
    fingerprint   bytea       NOT NULL,
    source        text        NOT NULL,
    created_at    timestamptz NOT NULL,
    superseded_at timestamptz,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    -- True once `signing_secret.expired` was sent.
    expiry_told   boolean     NOT NULL DEFAULT false,
    version       bigint      NOT NULL DEFAULT 1,
    CONSTRAINT signing_secrets_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT signing_secrets_never_reused UNIQUE (org_id, fingerprint),
    CONSTRAINT signing_secrets_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT signing_secrets_source CHECK (source IN ('server', 'partner')),
    CONSTRAINT signing_secrets_superseded_ends CHECK ((superseded_at IS NULL) = (expires_at IS NULL)),
    CONSTRAINT signing_secrets_current_lives CHECK (superseded_at IS NOT NULL OR revoked_at IS NULL)
);

-- One secret is current.
CREATE UNIQUE INDEX signing_secrets_one_current ON signing_secrets (org_id) WHERE superseded_at IS NULL;
CREATE INDEX signing_secrets_to_expire ON signing_secrets (expires_at) WHERE revoked_at IS NULL AND NOT expiry_told;

-- The outbox. A row is written by the statement of the change it tells of.
CREATE TABLE events (
    org_id           uuid        NOT NULL,
    -- UUIDv7 made from created_at, so that the primary key is the order of creation.
    id               uuid        NOT NULL,
    stream           text        NOT NULL,
    type             text        NOT NULL,
    -- The very bytes that are signed; never json, which may not return what it was given.
    body             text        NOT NULL,
    created_at       timestamptz NOT NULL,
    state            text        NOT NULL DEFAULT 'pending',
    attempts         integer     NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    -- When it is due; while it is claimed, when the lease ends.
    next_attempt_at  timestamptz NOT NULL,
    -- Whose claim it is; only its holder closes it.
    lease            uuid,
    last_error       text,
    closed_at        timestamptz,
    CONSTRAINT events_pkey PRIMARY KEY (org_id, id),
    CONSTRAINT events_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT events_stream CHECK (stream IN ('users', 'credentials')),
    CONSTRAINT events_state CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT events_closed CHECK ((state = 'pending') = (closed_at IS NULL))
);

-- What a queue has due, oldest first. Delivered events leave it.
CREATE INDEX events_due ON events (org_id, stream, next_attempt_at, id) WHERE state = 'pending';
-- What is claimed: few rows at any time.
CREATE INDEX events_leased ON events (lease) WHERE lease IS NOT NULL;
CREATE INDEX events_failed ON events (org_id, stream, id) WHERE state = 'failed';
-- Retention deletes by age; rows lie on disk in that order, so a few bytes per block are enough.
CREATE INDEX events_by_age ON events USING brin (created_at);

CREATE TABLE event_queues (
    org_id       uuid        NOT NULL,
    stream       text        NOT NULL,
    type         text        NOT NULL,
    -- The public part, as it was given.
    settings     jsonb       NOT NULL,
    -- Write-only parts, sealed; null where the type has none.
    sealed       bytea,
    -- When a credential inside ends by itself (a SAS token's), and the warning sent for it.
    expires_at   timestamptz,
    expiry_told  smallint,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    -- Failures in a row; from 20 on the queue is probed with one event at a time.
    failures     integer     NOT NULL DEFAULT 0,
    paused_until timestamptz,
    CONSTRAINT event_queues_pkey PRIMARY KEY (org_id, stream),
    CONSTRAINT event_queues_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT event_queues_stream CHECK (stream IN ('users', 'credentials')),
    CONSTRAINT event_queues_type CHECK (type IN ('aws_sqs', 'azure_storage_queue', 'webhook'))
);

-- Events that nobody fetched in time and that were deleted.
CREATE TABLE event_losses (
    org_id uuid   NOT NULL,
    stream text   NOT NULL,
    lost   bigint NOT NULL,
    CONSTRAINT event_losses_pkey PRIMARY KEY (org_id, stream),
    CONSTRAINT event_losses_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);

-- The service itself announces that a queue's credential is about to end.
ALTER TABLE audit_log DROP CONSTRAINT audit_log_actor;
ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor
    CHECK (actor IN ('operator', 'gateway', 'tenant_key', 'service'));
