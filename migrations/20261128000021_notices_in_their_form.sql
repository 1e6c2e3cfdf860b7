-- What a queue's old target is told goes in the form that the queue had: where its messages were
-- encrypted, this one is as well.
ALTER TABLE queue_notices
    ADD COLUMN format     text NOT NULL DEFAULT 'envelope',
    ADD COLUMN encrypt_to text;
