"""What befalls the standbys: the primary lives on, and says nothing is done that only it has."""

import threading
import time
import uuid

from load import Client
from postgres import until

# What partners asked for, heartbeats, and what else the service writes by itself.
CANCEL = """SELECT pid, pg_cancel_backend(pid), query ~ 'pg_notify' FROM pg_stat_activity
            WHERE wait_event = 'SyncRep' AND usename = 'partner'"""
PATIENCE = 10


def cancelled(cluster, replicas, org):
    """No standby confirms anything, and an administrator cancels what waits: Postgres answers as if all were well."""
    primary = cluster.wait_until_whole()
    others = [node for node in cluster.nodes if node is not primary]
    answers, user_ids = {}, {name: str(uuid.uuid4()) for name in ("once", "alone")}

    def create(name):
        more = {"Idempotency-Key": user_ids[name]} if name == "once" else None
        client = Client(replicas[0], [])
        answers[name] = client.ask("create", "POST", "/v1/users", org, {"user_id": user_ids[name]}, more=more)

    def all_answered():
        waited.update(pid for pid, _, is_heartbeat in primary.sql(CANCEL) if is_heartbeat == "f")
        return not any(thread.is_alive() for thread in threads)

    threads, waited = [threading.Thread(target=create, args=(name,), daemon=True) for name in user_ids], set()
    for node in others:
        node.freeze()
    try:
        for thread in threads:
            thread.start()
        until("both are answered", PATIENCE, all_answered)
    finally:
        for node in others:
            node.thaw()
    assert len(waited) >= len(threads), f"of {len(threads)} only {len(waited)} waited for a standby"
    assert {name: status for name, (status, _) in answers.items()} == {"once": 503, "alone": 503}, answers
    primary = cluster.wait_until_whole()
    there = {row[0] for row in primary.sql(f"SELECT user_id FROM users WHERE org_id = '{org['org_id']}'")}
    print(f"         two commits cancelled, both answered 503; {len(there)} of them are there after all")
