-- Knowing that a key works (contract 12.5).

-- When the partner last showed that it holds the private half. Pairs made here need no proof and have none. The
-- version before neither writes nor asks for it.
ALTER TABLE public_keys ADD COLUMN proven_at timestamptz;

-- The newest challenge of each key; another one takes its place. It says nothing that would help to answer it.
CREATE TABLE public_key_challenges (
    org_id       uuid        NOT NULL,
    unique_id    uuid        NOT NULL,
    challenge_id uuid        NOT NULL,
    -- SHA-256 of the 256 random bits that were encrypted to the key; there is nothing to guess.
    answer       bytea,
    -- Or the text that is to be signed, which is no secret.
    text         text,
    -- Answers that were judged. Counted before they are, so that many at once have no more.
    tries        smallint    NOT NULL DEFAULT 0,
    expires_at   timestamptz NOT NULL,
    -- When it was answered. It proves nothing again, but the winner may ask again what it won.
    proven_at    timestamptz,
    CONSTRAINT public_key_challenges_pkey PRIMARY KEY (org_id, unique_id),
    CONSTRAINT public_key_challenges_org_id_fkey FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE,
    CONSTRAINT public_key_challenges_asks_one CHECK ((answer IS NULL) <> (text IS NULL)),
    CONSTRAINT public_key_challenges_answer CHECK (octet_length(answer) = 32),
    CONSTRAINT public_key_challenges_tries CHECK (tries BETWEEN 0 AND 5)
);
CREATE INDEX public_key_challenges_to_forget ON public_key_challenges (expires_at);
