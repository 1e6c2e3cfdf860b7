"""The connection that hears of revocations, cut and frozen in the running program."""

import os
import signal
import time

from postgres import until

KEYS = "/v1/admin/org/tenant-keys"
# What the contract allows from the commit on, and what the script's own round trips may add.
WITHIN, SLACK = 1.0, 0.15


def listeners(postgres):
    rows = postgres.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'partner-api' "
                        "AND starts_with(query, 'SELECT clock_timestamp() ')")
    return [int(row[0]) for row in rows]


def remembered_key(service, org):
    """A key that the service has in memory, and its id."""
    made = service.call("POST", KEYS, {"name": "short-lived"}, key=org["tenant_api_key"], expect=201)
    until("the key is good", 5, lambda: service.verdict(made["secret"]) == 200)
    return made


def refused_in_time(service, org, made):
    """Revokes a key; gives how long it was good after that."""
    service.call("DELETE", f"{KEYS}/{made['id']}", key=org["tenant_api_key"], expect=204)
    revoked = time.monotonic()
    while True:
        asked = time.monotonic()
        status = service.verdict(made["secret"])
        if status == 401:
            return max(0.0, asked - revoked)
        assert status == 200, status
        assert asked - revoked < WITHIN + SLACK, f"still good {asked - revoked:.2f} s after its revocation"


def cut(service, postgres, rounds):
    org, good = service.create_org("cut"), []
    for _ in range(rounds):
        made = remembered_key(service, org)
        pid = listeners(postgres)[0]
        postgres.sql(f"SELECT pg_terminate_backend({pid})")
        good.append(refused_in_time(service, org, made))
        until("it listens again", 5, lambda: listeners(postgres) not in ([], [pid]))
        time.sleep(0.6)
    print(f"         {rounds} times cut: revoked keys were good for {max(good):.3f} s at most")


def frozen(service, postgres, rounds):
    org, good, again = service.create_org("frozen-ears"), [], []
    for _ in range(rounds):
        made, (pid,) = remembered_key(service, org), listeners(postgres)
        os.kill(pid, signal.SIGSTOP)
        try:
            good.append(refused_in_time(service, org, made))
            # Memory is out of use; what is asked of the database is answered.
            assert service.verdict(org["tenant_api_key"]) == 200
            again.append(until("it listens on another connection", 8, lambda: set(listeners(postgres)) - {pid}))
        finally:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1)
        assert service.verdict(made["secret"]) == 401
    print(f"         {rounds} times frozen: revoked keys were good for {max(good):.3f} s at most; "
          f"listening again after {max(again):.1f} s at most")
