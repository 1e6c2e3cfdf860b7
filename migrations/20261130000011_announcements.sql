-- What every replica is to forget. Until now the statement of a change told it by NOTIFY, and Postgres lets such
-- commits pass one at a time: it holds one lock of the whole database until each is on disk. A row here commits with
-- the change and beside others; replicas read what is new, and a NOTIFY after the commit only wakes them.
--
-- Of no tenant: a replica reads all of it. Rows go after a minute, when every replica has read them or lost its trust.
-- Replicas of the release before are told by the waking NOTIFY: what they cannot read empties their memory.
CREATE TABLE announcements (
    -- Of the change. Sequences and clocks do not commit in their order; a snapshot says exactly which transactions a
    -- replica has seen.
    xid  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    -- `org <id>`, `key <id> <digest in hex> <org>`, or one word for what is the whole service's.
    news text NOT NULL,
    CONSTRAINT announcements_pkey PRIMARY KEY (xid, news)
);
