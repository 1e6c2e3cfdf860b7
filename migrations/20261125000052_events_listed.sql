-- What partners list: any stream, any state, in the order of creation, which is the order of ids. With
-- it a page costs its own rows; without it, `status=delivered` over half a million waiting events
-- read all of them.
CREATE INDEX events_listed ON events (org_id, stream, state, id);

-- Every change of an event's state writes a row into each index, so one pays for the other: claims are
-- now renewed and handed back by the events' ids, which their publisher knows. A replica of the
-- version before, while it still runs, looks for them without an index: slower, and as right.
DROP INDEX events_leased;
