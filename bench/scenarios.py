"""What is measured: each scenario prepares itself and gives its two sides, the limit first."""

import concurrent.futures
import http.client
import json
import os
import threading
import time
import uuid
import zlib

import signed

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PLAIN = """CREATE TABLE IF NOT EXISTS plain_users (org_id uuid, user_id uuid, id uuid NOT NULL, first_name text, last_name text,
 email text, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, PRIMARY KEY (org_id, user_id));
 CREATE INDEX IF NOT EXISTS plain_by_creation ON plain_users (org_id, created_at, user_id)"""
INSERT = """INSERT INTO plain_users VALUES ('6f1c2a9e-0000-4000-8000-000000000001', gen_random_uuid(), gen_random_uuid(),
 NULL, NULL, NULL, now(), now());"""
# As the service does: the user, and the event that tells of it.
WITH_EVENT = """WITH made AS (INSERT INTO plain_users VALUES ('6f1c2a9e-0000-4000-8000-000000000001', gen_random_uuid(),
 gen_random_uuid(), NULL, NULL, NULL, now(), now()) RETURNING org_id, user_id)
 INSERT INTO plain_events (org_id, id, stream, type, body, subject, created_at, next_attempt_at)
 SELECT org_id, gen_random_uuid(), 'users', 'user.created', '{"type":"user.created","data":{"user_id":"' || user_id || '"}}',
        user_id::text, now(), now() FROM made;"""
# The same rows in the service's own tables, with their constraints and foreign keys.
IN_OWN_TABLES = """WITH made AS (INSERT INTO users (org_id, user_id, id, created_at, updated_at)
   VALUES ('%s', gen_random_uuid(), gen_random_uuid(), now(), now())
   ON CONFLICT ON CONSTRAINT users_pkey DO NOTHING RETURNING org_id, user_id)
 INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
 SELECT org_id, gen_random_uuid(), 'users', 'user.created', '{"type":"user.created","data":{"user_id":"' || user_id || '"}}',
        now(), now() FROM made;"""
# What a rotation leaves in the service's own tables: org, both keys, audit row, event, and what replicas are to forget.
ROTATION = """\\set n random(1, 10000)
 WITH org AS (UPDATE orgs o SET revision = o.revision + 1, audit_mac = sha256(random()::text::bytea)
   FROM rotating r WHERE r.n = :n AND o.id = r.org_id RETURNING o.id, o.revision),
 next AS (SELECT id AS org_id, revision, gen_random_uuid() AS key_id, now() AS at FROM org),
 old AS (UPDATE tenant_keys k SET rotated_at = next.at, rotated_to = next.key_id, version = k.version + 1,
     expires_at = next.at + interval '1 day', expiry_set_at = next.at
   FROM next WHERE k.org_id = next.org_id AND k.rotated_at IS NULL AND k.revoked_at IS NULL RETURNING k.org_id, k.id, k.digest),
 added AS (INSERT INTO tenant_keys (org_id, id, name, prefix, digest, created_at)
   SELECT next.org_id, key_id, 'next', 'tk_test_bench', sha256(key_id::text::bytea), at FROM next JOIN old USING (org_id)),
 logged AS (INSERT INTO audit_log (org_id, seq, mac, at, actor, action, subject)
   SELECT next.org_id, revision, sha256(key_id::text::bytea), at, 'gateway', 'tenant_key.rotated', key_id::text FROM next JOIN old USING (org_id)),
 told AS (INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
   SELECT next.org_id, gen_random_uuid(), 'credentials', 'tenant_key.rotated', repeat('x', 300), at, at FROM next JOIN old USING (org_id))
 INSERT INTO announcements (news) SELECT format('key %s %s %s', id, encode(digest, 'hex'), org_id) FROM old ON CONFLICT DO NOTHING;"""
PLAIN_EVENTS = "CREATE TABLE IF NOT EXISTS plain_events (LIKE events INCLUDING DEFAULTS INCLUDING INDEXES)"


def org_id(lab):
    return f"OrgId: {lab.org['org_id']}"


def bare(lab):
    return lambda: lab.wrk(f"http://127.0.0.1:{lab.bare_port}/")


def create_user(lab, connections=64):
    clients = 1 if connections == 1 else 32
    return {
        "pgbench INSERT with its event": lambda: lab.pgbench(WITH_EVENT, clients, f"{PLAIN}; {PLAIN_EVENTS}"),
        "pgbench, the same in the service's tables": lambda: lab.pgbench(IN_OWN_TABLES % lab.org["org_id"], clients),
        "pgbench INSERT without its event": lambda: lab.pgbench(INSERT, clients, PLAIN),
        # What is left of pgbench's rate for whoever has HTTP in front, and nothing else.
        "bare axum with sqlx, INSERT with its event": lambda: lab.wrk(
            f"http://127.0.0.1:{lab.bare_port}/statement", "create_user.lua", connections=connections),
        "POST /v1/users": lambda: lab.wrk(f"{lab.public}/v1/users", "create_user.lua", connections=connections,
                                          headers=(org_id(lab), "Content-Type: application/json")),
    }


def get_user(lab, headers=None):
    users = fill(lab, 10_000)
    path = os.path.join(lab.directory, "users.txt")
    with open(path, "w") as file:
        file.write("\n".join(users))
    select = "\\set n random(1, 10000)\nSELECT * FROM numbered WHERE n = :n;"
    lab.postgres.sql("DROP TABLE IF EXISTS numbered; CREATE TABLE numbered AS SELECT row_number() OVER () AS n, u.* FROM users u;"
                     "ALTER TABLE numbered ADD PRIMARY KEY (n); ANALYZE numbered; ANALYZE users")
    return {
        "pgbench SELECT by key": lambda: lab.pgbench(select),
        "GET /v1/users/{id}": lambda: lab.wrk(f"{lab.public}/v1/users/", "one_of.lua", path, headers=headers or (org_id(lab),)),
    }


def get_user_with_key(lab):
    """As partners ask: the key is looked up, held to its scopes and networks, and its use is counted."""
    return get_user(lab, (f"taih-tenant-key: {lab.org['tenant_api_key']}",))


def signed_features(lab):
    return signed.signed_features(lab, org_id(lab))


def signed_get_user(lab):
    return signed.signed_get_user(lab, org_id(lab), fill(lab, signed.REQUESTS))


def verify_known(lab):
    header = f"taih-tenant-key: {lab.org['tenant_api_key']}"
    return {"bare axum, same log line": bare(lab),
            "verify, known key": lambda: lab.wrk(f"{lab.internal}/internal/auth/verify", headers=(header,))}


def verify_unknown(lab):
    path = os.path.join(lab.directory, "unknown.txt")
    with open(path, "w") as file:
        file.write("\n".join(key() for _ in range(400_000)))
    lab.postgres.sql("DROP TABLE IF EXISTS digests; CREATE TABLE digests (digest bytea PRIMARY KEY, n int);"
                     "INSERT INTO digests SELECT sha256(i::text::bytea), i FROM generate_series(1, 100000) i; ANALYZE digests")
    select = "\\set n random(1, 1000000000)\nSELECT n FROM digests WHERE digest = sha256(:n::text::bytea);"
    return {
        "pgbench SELECT by digest": lambda: lab.pgbench(select),
        "verify, unknown keys": lambda: lab.wrk(f"{lab.internal}/internal/auth/verify", "keys.lua", path),
    }


def verify_malformed(lab):
    return {"bare axum, same log line": bare(lab),
            "verify, malformed key": lambda: lab.wrk(f"{lab.internal}/internal/auth/verify",
                                                     headers=("taih-tenant-key: tk_test_" + "0" * 49,))}


def planned(lab):
    return {"bare axum, same log line": bare(lab),
            "503 of a planned feature": lambda: lab.wrk(f"{lab.public}/v1/admin/org/members", headers=(org_id(lab),))}


def rotate(lab):
    """Each of 10,000 orgs rotates its only key: pgbench does the same in one statement."""
    lab.postgres.sql("""CREATE TABLE IF NOT EXISTS plain_keys (id bigint PRIMARY KEY, successor bigint, expires_at timestamptz, digest bytea UNIQUE);
        TRUNCATE plain_keys; INSERT INTO plain_keys SELECT i, NULL, NULL, sha256(i::text::bytea) FROM generate_series(1, 100000) i;
        CREATE SEQUENCE IF NOT EXISTS plain_next START 1000000; ANALYZE plain_keys""")
    statement = """\\set n random(1, 100000)
        WITH old AS (UPDATE plain_keys SET successor = 1, expires_at = now() WHERE id = :n RETURNING id)
        INSERT INTO plain_keys SELECT nextval('plain_next'), NULL, NULL, sha256(gen_random_uuid()::text::bytea) FROM old;"""
    prefix, _ = orgs_with_a_key(lab, 10_000)
    lab.postgres.sql("DROP TABLE IF EXISTS rotating; CREATE TABLE rotating AS SELECT row_number() OVER () AS n, id AS org_id FROM orgs"
                     f" WHERE key LIKE '{prefix}-%'; ALTER TABLE rotating ADD PRIMARY KEY (n); ANALYZE")
    return {"pgbench, all that a rotation writes": lambda: lab.pgbench(ROTATION),
            "pgbench, two rows of plain tables": lambda: lab.pgbench(statement),
            "POST tenant-key/rotate": lambda: rotation_of_orgs(lab, 10_000)}


def orgs_with_a_key(lab, count):
    """Gives what the orgs' names begin with, and their ids."""
    prefix = "r" + uuid.uuid4().hex[:8]
    lab.postgres.sql(f"INSERT INTO orgs (id, key, name, created_at) SELECT gen_random_uuid(), '{prefix}-' || i, 'Bench', now()"
                     f" FROM generate_series(1, {count}) i")
    orgs = lab.postgres.sql(f"SELECT id FROM orgs WHERE key LIKE '{prefix}-%'").split()
    many(lab, [("POST", "/v1/admin/org/tenant-keys", {"OrgId": org}, {"name": "first"}, 201) for org in orgs])
    return prefix, orgs


def rotation_of_orgs(lab, count):
    _, orgs = orgs_with_a_key(lab, count)
    path = os.path.join(lab.directory, "orgs.txt")
    with open(path, "w") as file:
        file.write("\n".join(orgs))
    # Each org once: wrk asks for something else when the list is used up, so the rate is counted in the table.
    seconds, lab.options.seconds = lab.options.seconds, 4
    try:
        begun = time.time()
        _, latency = lab.wrk(f"{lab.public}/v1/auth/tenant-key/rotate", "orgs.lua", path)
    finally:
        lab.options.seconds = seconds
    first, last, done = lab.postgres.sql(
        f"SELECT extract(epoch FROM min(rotated_at)), extract(epoch FROM max(rotated_at)), count(*)"
        f" FROM tenant_keys WHERE rotated_at >= to_timestamp({begun - 1})").split("|")
    lasted = float(last) - float(first)
    return int(done) / lasted, f"{done} in {lasted:.1f} s, {latency}"


def token_issue(lab):
    user, = fill(lab, 1)
    body = json.dumps({"user_id": user})
    return {"bare axum, same log line": bare(lab),
            "POST /v1/auth/token": lambda: lab.wrk(f"{lab.public}/v1/auth/token", "post.lua", body,
                                                   headers=(org_id(lab), "Content-Type: application/json"))}


def token_verify(lab):
    """A member asks for another user's path's neighbour: its own row, by its token."""
    user, = fill(lab, 1)
    _, text = lab.service.ask("POST", "/v1/auth/token", {"OrgId": lab.org["org_id"], "Content-Type": "application/json"},
                              json.dumps({"user_id": user}))
    token = json.loads(text)["data"]["access_token"]
    return {"GET /v1/users/{id} as the partner": lambda: lab.wrk(f"{lab.public}/v1/users/{user}", headers=(org_id(lab),)),
            "GET /v1/users/{id} as the member": lambda: lab.wrk(f"{lab.public}/v1/users/{user}",
                                                                headers=(f"Authorization: Bearer {token}",))}


def bulk(lab):
    def measure():
        started = time.time()
        fill(lab, 200_000)
        took = time.time() - started
        return 200_000 / took, f"200,000 users in {took:.1f} s"
    return {"POST /v1/users/bulk": measure}


def events(lab):
    """From outbox to a local webhook: users are made while no queue is registered, then it is."""
    url = f"http://127.0.0.1:{lab.bare_port}/"

    def measure():
        headers = {"OrgId": lab.org["org_id"], "Content-Type": "application/json"}
        lab.service.ask("DELETE", "/v1/admin/org/queues/users", headers)
        count = 5_000 * lab.options.seconds
        fill(lab, count)
        status, text = lab.service.ask("POST", "/v1/admin/org/queues/users", headers,
                                       json.dumps({"type": "webhook", "webhook": {"url": url}}))
        assert status == 201, text
        started = time.time()
        lab.postgres.wait_until(f"SELECT count(*) FROM (SELECT FROM events WHERE state = 'pending' AND org_id ="
                                f" '{lab.org['org_id']}' AND stream = 'users' LIMIT 1) AS one", "0")
        took = time.time() - started
        return count / took, f"{count} in {took:.1f} s"
    return {"outbox to a local webhook": measure}


def events_beside_a_million(lab):
    """The same, while a million events of 10,000 other orgs wait for a queue that nobody registered."""
    lab.postgres.sql("INSERT INTO orgs (id, key, name, created_at) SELECT gen_random_uuid(), 'waiting-' || i, 'Waiting', now()"
                     " FROM generate_series(1, 10000) i")
    lab.postgres.sql("""INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
        SELECT o.id, gen_random_uuid(), 'users', 'user.created', repeat('x', 200), now(), now()
        FROM orgs o CROSS JOIN generate_series(1, 100) WHERE o.key LIKE 'waiting-%'""")
    lab.postgres.sql("ANALYZE events")
    return events(lab)


def events_of_many_queues(lab):
    """Ten events in each of 10,000 queues: each gets its turn."""
    url = f"http://127.0.0.1:{lab.bare_port}/"

    def measure():
        prefix = "q" + uuid.uuid4().hex[:8]
        lab.postgres.sql(f"INSERT INTO orgs (id, key, name, created_at) SELECT gen_random_uuid(), '{prefix}-' || i, 'Many', now()"
                         f" FROM generate_series(1, 10000) i")
        orgs = lab.postgres.sql(f"SELECT id FROM orgs WHERE key LIKE '{prefix}-%'").split()
        many(lab, [("POST", "/v1/auth/signing-secret/rotate", {"OrgId": org}, {}, 200) for org in orgs])
        chosen = f"FROM orgs o WHERE key LIKE '{prefix}-%'"
        lab.postgres.sql(f"""BEGIN; INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
            SELECT o.id, gen_random_uuid(), 'users', 'user.created', '{{}}', now(), now() FROM orgs o
            CROSS JOIN generate_series(1, 10) WHERE o.key LIKE '{prefix}-%';
            INSERT INTO event_queues (org_id, stream, type, settings, created_at, updated_at)
            SELECT id, 'users', 'webhook', '{json.dumps({"url": url})}', now(), now() {chosen}; COMMIT; ANALYZE""")
        started = time.time()
        left = f"SELECT count(*) FROM (SELECT FROM events WHERE state = 'pending' AND stream = 'users' AND org_id IN (SELECT id {chosen}) LIMIT 1) AS one"
        lab.postgres.wait_until(left, "0", 300)
        took = time.time() - started
        return 100_000 / took, f"100,000 of 10,000 queues in {took:.1f} s"
    return {"outbox of 10,000 queues": measure}


def fill(lab, count):
    """Makes users through bulk; gives their ids."""
    users = [str(uuid.uuid4()) for _ in range(count)]
    chunks = [users[at:at + 10_000] for at in range(0, count, 10_000)]
    headers = {"OrgId": lab.org["org_id"], "Content-Type": "application/x-ndjson"}

    def send(chunk):
        status, text = lab.service.ask("POST", "/v1/users/bulk", headers, "".join(f'{{"user_id":"{u}"}}\n' for u in chunk), timeout=120)
        assert status == 200 and text.count(b'"created"') == len(chunk), text[:300]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(send, chunks))
    return users


def many(lab, requests, threads=16):
    """Sends requests over kept connections."""
    local = threading.local()

    def send(request):
        method, path, headers, body, wanted = request
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", lab.service.public)
        local.connection.request(method, path, json.dumps(body), {**headers, "Content-Type": "application/json"})
        reply = local.connection.getresponse()
        text = reply.read()
        assert reply.status == wanted, text
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, requests))


def key():
    """A well-formed key that nobody has."""
    number, body = int.from_bytes(os.urandom(33), "big"), ""
    for _ in range(43):
        number, digit = divmod(number, 62)
        body += DIGITS[digit]
    text, check = "tk_test_" + body, ""
    crc = zlib.crc32(text.encode())
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        check = DIGITS[digit] + check
    return text + check


def publish_event(lab, connections=64):
    """The platform publishes, beside the insert of one such row by Postgres alone."""
    made = lab.service.command("token", "create", "--name", "bench", "--scopes", "events:publish", "--json")
    token = json.loads(made)["platform_token"]
    headers = (f"Authorization: Bearer {token}", "Content-Type: application/json")
    stream = {"description": "Bench.", "types": [{"type": "order.noted", "description": "x"}, {
        "type": "order.paid", "description": "x",
        "schema": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}}]}
    connection = http.client.HTTPConnection("127.0.0.1", lab.service.internal)
    connection.request("PUT", "/internal/streams/orders", json.dumps(stream), dict(header.split(": ", 1) for header in headers))
    assert connection.getresponse().status == 200
    body = json.dumps({"org": lab.org["org_id"], "stream": "orders", "type": "order.paid", "subject": "4711",
                       "data": {"order_id": "4711", "amount": 12.5}})
    insert = """INSERT INTO plain_events (org_id, id, stream, type, body, subject, created_at, next_attempt_at)
        VALUES ('6f1c2a9e-0000-4000-8000-000000000001', gen_random_uuid(), 'orders', 'order.paid',
                '{"type":"order.paid","data":{"order_id":"4711","amount":12.5}}', '4711', now(), now());"""
    return {"pgbench one-row INSERT": lambda: lab.pgbench(insert, 32, PLAIN_EVENTS),
            "POST /internal/events": lambda: lab.wrk(f"{lab.internal}/internal/events", "post.lua", body,
                                                     connections=connections, headers=headers)}


SCENARIOS = {
    "create_user": create_user,
    "create_user_1": lambda lab: create_user(lab, 1),
    "get_user": get_user,
    "get_user_with_key": get_user_with_key,
    "signed_features": signed_features,
    "signed_get_user": signed_get_user,
    "verify_known": verify_known,
    "verify_unknown": verify_unknown,
    "verify_malformed": verify_malformed,
    "planned": planned,
    "rotate": rotate,
    "publish_event": publish_event,
    "token_issue": token_issue,
    "token_verify": token_verify,
    "bulk": bulk,
    "events": events,
    "events_beside_a_million": events_beside_a_million,
    "events_of_many_queues": events_of_many_queues,
}
