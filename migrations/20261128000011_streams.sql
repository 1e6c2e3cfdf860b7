-- The platform's own streams of events, beside `users` and `credentials`, and the types of events on them
-- (contract 15). They are every org's. Events name them and do not refer to them: what waits is delivered whatever
-- becomes of its type.
CREATE TABLE streams (
    name        text        NOT NULL,
    description text        NOT NULL,
    -- Grows with every change of any stream, so that one look tells whether memory is up to date.
    revision    bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT streams_pkey PRIMARY KEY (name),
    -- The built-in ones are not in this table.
    CONSTRAINT streams_name CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$' AND name NOT IN ('users', 'credentials'))
);

CREATE TABLE stream_types (
    -- A type is on one stream: whoever receives it tells by the type alone what the data is.
    type        text    NOT NULL,
    stream      text    NOT NULL,
    -- In the order in which the platform gave them.
    position    integer NOT NULL,
    description text    NOT NULL,
    -- What its data keeps to (JSON Schema), as it was sent; null for any object.
    schema      json,
    CONSTRAINT stream_types_pkey PRIMARY KEY (type),
    CONSTRAINT stream_types_type CHECK (length(type) <= 100),
    CONSTRAINT stream_types_stream_fkey FOREIGN KEY (stream) REFERENCES streams ON DELETE CASCADE
);
CREATE INDEX stream_types_of_stream ON stream_types (stream, position);
