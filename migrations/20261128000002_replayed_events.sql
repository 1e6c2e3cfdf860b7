-- Who replays an event wants it sent, whatever types its queue takes by now.
ALTER TABLE events ADD COLUMN is_replayed boolean NOT NULL DEFAULT false;
