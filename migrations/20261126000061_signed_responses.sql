-- Whether all responses to an org are signed, asked for or not (contract 12.2). The version before signs none.
ALTER TABLE orgs ADD COLUMN sign_responses boolean NOT NULL DEFAULT false;
