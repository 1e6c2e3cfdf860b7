-- Each row of an org's audit log carries a MAC over itself and the MAC of the row before, under a
-- key of the service that is not in the database in clear: who can write to the tables can no
-- longer change, drop, add or reorder rows without `audit verify` finding it.
--
-- Rows from before this migration stay as they are, without a MAC: nobody can say today what they
-- said when they were written. An org's chain starts with its first change after it. Both columns
-- stay nullable for the version before, which writes rows without; those it writes after an org's
-- chain has begun are reported as not chained.
ALTER TABLE audit_log
    ADD COLUMN mac bytea,
    ADD CONSTRAINT audit_log_mac_length CHECK (octet_length(mac) = 32);

-- The MAC of the org's newest chained row. Raised together with `revision`, in the same statement
-- and under the same guard.
ALTER TABLE orgs
    ADD COLUMN audit_mac bytea,
    ADD CONSTRAINT orgs_audit_mac_length CHECK (octet_length(audit_mac) = 32);

-- The trace of the request that caused an event (W3C Trace Context), which a webhook's delivery
-- continues. Null where there was no request, or none with a trace.
ALTER TABLE events ADD COLUMN traceparent text;
