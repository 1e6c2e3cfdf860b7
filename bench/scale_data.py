"""Fills a database by SQL: what millions of requests would have left there."""

import json

# Rows a statement makes, so that none holds a transaction for minutes.
STEP = 1_000_000


def fill(lab, orgs, users, keys, events, queues):
    """`orgs` with `users`, live `keys` and `events` that wait spread over them, and `queues` with nothing to do."""
    sql = lab.postgres.sql
    sql(f"""CREATE TABLE filled AS SELECT n, gen_random_uuid() AS org_id FROM generate_series(0, {orgs - 1}) AS n;
        ALTER TABLE filled ADD PRIMARY KEY (n);
        INSERT INTO orgs (id, key, name, created_at) SELECT org_id, 'filled-' || n, 'Filled', now() FROM filled""")
    for first in range(0, users, STEP):
        last = min(first + STEP, users) - 1
        # One after the other as they were made, spread over the orgs.
        sql(f"""INSERT INTO users (org_id, user_id, id, email, created_at, updated_at)
            SELECT org_id, gen_random_uuid(), gen_random_uuid(), 'user' || i || '@example.com', at, at
            FROM generate_series({first}, {last}) AS i JOIN filled ON n = i % {orgs},
                 LATERAL (SELECT now() - interval '1 year' + i * interval '1 second' AS at) AS made""")
    # As the service made the first one, for other orgs and under other digests.
    first_key = f"SELECT k AS made FROM tenant_keys k WHERE k.org_id = '{lab.org['org_id']}' LIMIT 1"
    sql(f"""INSERT INTO tenant_keys SELECT r.* FROM ({first_key}) AS first, generate_series(0, {keys - 1}) AS i
        JOIN filled ON n = i % {orgs}, LATERAL jsonb_populate_record(first.made, jsonb_build_object('org_id', filled.org_id,
            'id', gen_random_uuid(), 'digest', sha256(i::text::bytea))) AS r""")
    for first in range(0, events, STEP):
        last = min(first + STEP, events) - 1
        sql(f"""INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
            SELECT org_id, gen_random_uuid(), 'users', 'user.created', repeat('x', 200), now(), now()
            FROM generate_series({first}, {last}) AS i JOIN filled ON n = i % {orgs}""")
    settings = json.dumps({"url": lab.sink.url()})
    sql(f"""INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
        SELECT org_id, 'credentials', 'webhook', '{settings}', now(), now() FROM filled LIMIT {queues}""")
    sql("VACUUM ANALYZE")
