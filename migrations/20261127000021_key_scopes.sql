-- What a key may do (contract 13.3). `*` is everything, also what is still to come, so keys that were there go on as
-- they were. Scopes are names and not bits: rows are read by people, and a later version's names mean nothing to the
-- one before, which allows less and never more. The list itself is the code's.
--
-- The version before writes neither column: a successor that it makes of a narrow key is not narrow. So scopes are
-- narrowed once every replica runs this version.
ALTER TABLE tenant_keys
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{*}'
        CONSTRAINT tenant_keys_scopes_some CHECK (cardinality(scopes) BETWEEN 1 AND 64),
    -- `report`: what the scopes do not allow is served, and counted.
    ADD COLUMN scope_policy text NOT NULL DEFAULT 'enforce'
        CONSTRAINT tenant_keys_scope_policy_known CHECK (scope_policy IN ('enforce', 'report'));
