-- Who still uses a key (contract 13.2), and what a restriction would refuse (13.3). Counted in memory and added up here
-- once a minute by every replica; a row is one of a few a key has, and is updated far more often than it is made, so
-- pages keep room for updates that touch no index. The version before knows none of it and goes on as it was.

-- Requests of an hour. Kept for two days and a margin.
CREATE TABLE tenant_key_hours (
    org_id   uuid        NOT NULL,
    key_id   uuid        NOT NULL,
    -- Its beginning.
    hour     timestamptz NOT NULL,
    requests bigint      NOT NULL,
    CONSTRAINT tenant_key_hours_pkey PRIMARY KEY (org_id, key_id, hour),
    -- Keys go with their org and never before it.
    CONSTRAINT tenant_key_hours_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
) WITH (fillfactor = 80);

-- What is old, for retention. An hour never changes, so that counting leaves this index alone.
CREATE INDEX tenant_key_hours_by_age ON tenant_key_hours (hour);

-- Where requests came from: at most fifty a key, those seen last. No index by age, which every count would change:
-- retention reads the whole table, which is small.
CREATE TABLE tenant_key_sources (
    org_id        uuid        NOT NULL,
    key_id        uuid        NOT NULL,
    -- A /24 or a /48, never an address; empty where none was known.
    network       text        NOT NULL,
    -- Printable, at most 100 characters; empty where none was sent.
    user_agent    text        NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    requests      bigint      NOT NULL,
    -- Of these, from outside the networks that the key or its org allow: let through because the policy is to report,
    -- and refused.
    reported      bigint      NOT NULL,
    refused       bigint      NOT NULL,
    CONSTRAINT tenant_key_sources_pkey PRIMARY KEY (org_id, key_id, network, user_agent),
    CONSTRAINT tenant_key_sources_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT tenant_key_sources_agent_length CHECK (char_length(user_agent) <= 100)
) WITH (fillfactor = 80);

-- What requests needed: the scope of their route.
CREATE TABLE tenant_key_scopes (
    org_id           uuid        NOT NULL,
    key_id           uuid        NOT NULL,
    scope            text        NOT NULL,
    last_seen_at     timestamptz NOT NULL,
    requests         bigint      NOT NULL,
    -- Of these, beyond what the key may do: let through because the policy is to report, when last, and refused.
    reported         bigint      NOT NULL,
    last_reported_at timestamptz,
    refused          bigint      NOT NULL,
    CONSTRAINT tenant_key_scopes_pkey PRIMARY KEY (org_id, key_id, scope),
    CONSTRAINT tenant_key_scopes_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
) WITH (fillfactor = 80);

ALTER TABLE tenant_keys
    -- Since when requests are counted; null where that is since the key was made.
    ADD COLUMN counted_since      timestamptz,
    -- When a source was last left out for want of room: what is known of its sources is not all.
    ADD COLUMN sources_dropped_at timestamptz;

-- What these keys did before was not counted. No clock of the service's runs here, so the database's must do.
UPDATE tenant_keys SET counted_since = now();
