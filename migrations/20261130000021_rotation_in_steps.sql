-- On distributed tables (docs/scaling.md) the parts of a statement run one after the other, and each is checked when it
-- ends: a rotated key would name its successor before that is there. So the reference is checked with the transaction's
-- end. The version before writes both in one statement and notices nothing.
ALTER TABLE tenant_keys ALTER CONSTRAINT tenant_keys_rotated_to_fkey DEFERRABLE INITIALLY DEFERRED;
