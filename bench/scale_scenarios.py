"""What bench/scale measures on both databases: each scenario prepares itself and gives what measures once."""

import os
import time

from scenarios import create_user, publish_event, rotation_of_orgs, verify_known

ASKED_FOR = 10_000


def service(scenario):
    """The service's side of one of bench/run's scenarios."""
    return lambda lab: list(scenario(lab).values())[-1]


def drawn_users(lab):
    """A file of orgs and users, drawn from all there are."""
    path = os.path.join(lab.directory, "drawn.txt")
    if not os.path.exists(path):
        # Scenarios before this one made users: plans are of what the statistics say.
        lab.postgres.sql("ANALYZE users")
        each = max(1, ASKED_FOR // int(lab.postgres.sql("SELECT count(*) FROM filled")))
        drawn = lab.postgres.sql(f"SELECT drawn.org_id || ' ' || user_id FROM filled, LATERAL (SELECT org_id, user_id FROM users u"
                                 f" WHERE u.org_id = filled.org_id AND user_id > gen_random_uuid() ORDER BY user_id LIMIT {each})"
                                 " AS drawn")
        with open(path, "w") as file:
            file.write(drawn)
    return path


def get_user(lab):
    path = drawn_users(lab)
    return lambda: lab.wrk(f"{lab.public}/v1/users/", "member_of_org.lua", path)


def list_users(lab):
    """First pages of all orgs, the count included."""
    path = drawn_users(lab)
    return lambda: lab.wrk(f"{lab.public}/v1/users?limit=25", "member_of_org.lua", path)


def rotate(lab):
    return lambda: rotation_of_orgs(lab, 5_000)


def deliver(lab):
    """20,000 events of one org's queue, beside all that waits and idles."""
    org = lab.service.create_org(f"deliver-{time.time_ns()}")
    key, queue = org["tenant_api_key"], "/v1/admin/org/queues/users"
    lab.service.call("POST", queue, {"type": "webhook", "webhook": {"url": lab.sink.url()}}, key=key, expect=201)
    count = 20_000

    def measure():
        lab.service.call("POST", queue + "/pause", key=key)
        lab.postgres.sql(f"""INSERT INTO events (org_id, id, stream, type, body, created_at, next_attempt_at)
            SELECT '{org['org_id']}', gen_random_uuid(), 'users', 'user.created', '{{}}', now(), now()
            FROM generate_series(1, {count})""")
        lab.sink.reset()
        began = time.monotonic()
        lab.service.call("POST", queue + "/resume", key=key)
        lab.sink.wait_for(count)
        return count / (time.monotonic() - began), ""
    return measure


SCENARIOS = {
    "create_user": service(create_user),
    "get_user": get_user,
    "list_users": list_users,
    "verify_known": service(verify_known),
    "rotate": rotate,
    "publish_event": service(publish_event),
    "deliver": deliver,
}
