-- Where a change came from, beside who made it. Covered by the row's MAC where it is there; a row
-- without it is encoded as before, so the rows there are still verify. Null for operators, the
-- service itself, and rows of the version before.
ALTER TABLE audit_log
    ADD COLUMN client_address text,
    ADD CONSTRAINT audit_log_client_address_length CHECK (char_length(client_address) <= 45);
