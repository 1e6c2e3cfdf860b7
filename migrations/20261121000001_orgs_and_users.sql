-- The tenants. `key` is the org's public name (OwnerCode in contract 9): partners write it into
-- their own systems, so it never changes.
CREATE TABLE orgs (
    id           uuid        NOT NULL,
    key          text        NOT NULL,
    name         text        NOT NULL,
    created_at   timestamptz NOT NULL,
    -- A moment, not a flag: operators ask since when.
    suspended_at timestamptz,
    CONSTRAINT orgs_pkey PRIMARY KEY (id),
    CONSTRAINT orgs_key_unique UNIQUE (key),
    CONSTRAINT orgs_key_format CHECK (key ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT orgs_name_length CHECK (char_length(name) BETWEEN 1 AND 200)
);

-- The partners' users. The partner chooses `user_id`, so it is unique only within its org, and
-- the primary key leads with the org: a query that forgets the tenant finds no index.
CREATE TABLE users (
    org_id     uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    -- Ours; never leaves the service. What we keep about a user later refers to this, so that a
    -- deleted and re-created user_id does not inherit it.
    id         uuid        NOT NULL,
    first_name text,
    last_name  text,
    email      text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (org_id, user_id),
    CONSTRAINT users_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);

-- Lists are ordered by creation, ties by id (contract 1).
CREATE INDEX users_by_creation ON users (org_id, created_at, user_id);
