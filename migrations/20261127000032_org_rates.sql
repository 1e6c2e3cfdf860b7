-- How many requests a second an org may make on one replica (contract 13.5), where that is not RATE_LIMIT. NULL is the
-- default of all, 0 no limit whatever the default is.
ALTER TABLE orgs
    ADD COLUMN rate_limit integer,
    -- Requests at once, after a while without any.
    ADD COLUMN rate_burst integer,
    ADD CONSTRAINT orgs_rate_limit CHECK (rate_limit BETWEEN 0 AND 1000000),
    ADD CONSTRAINT orgs_rate_burst CHECK (rate_burst BETWEEN 1 AND 1000000),
    ADD CONSTRAINT orgs_rate_whole CHECK ((coalesce(rate_limit, 0) > 0) = (rate_burst IS NOT NULL));
