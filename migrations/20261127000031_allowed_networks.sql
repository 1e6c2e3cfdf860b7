-- Where a key may be used from (contract 13.3), and where an org may be administered and called from: networks in CIDR
-- notation as the service writes them, NULL for any. Text and not cidr, whose masks and IPv4 in IPv6 Postgres reads in
-- its own way: the service alone judges. Whoever knows nothing of it, as the version before, lets everybody in.
ALTER TABLE tenant_keys
    ADD COLUMN allowed_networks text[],
    -- 'report' refuses nothing: what comes from outside is counted and logged.
    ADD COLUMN network_policy   text NOT NULL DEFAULT 'enforce',
    ADD CONSTRAINT tenant_keys_allowed_networks CHECK (cardinality(allowed_networks) BETWEEN 1 AND 20),
    ADD CONSTRAINT tenant_keys_network_policy CHECK (network_policy IN ('enforce', 'report'));

ALTER TABLE orgs
    ADD COLUMN allowed_networks text[],
    ADD COLUMN network_policy   text NOT NULL DEFAULT 'enforce',
    ADD CONSTRAINT orgs_allowed_networks CHECK (cardinality(allowed_networks) BETWEEN 1 AND 20),
    ADD CONSTRAINT orgs_network_policy CHECK (network_policy IN ('enforce', 'report'));
