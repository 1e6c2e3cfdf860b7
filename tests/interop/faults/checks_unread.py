"""Answers that nobody takes: what they hold in memory, and for how long (docs/operations.md, "Memory")."""

import json
import socket
import threading
import time
import uuid

from checks_clients import connect, rss
from postgres import until

PLACES, CLIENTS, DEAD_KEYS, KEY_BYTES = 8, 16, 400, 54 * 1024
PAGE_BYTES, BULK_LINES, BULK_REPLY = 1024 * 1024, 9_900, 3 * 1024 * 1024
PATIENCE = 30
# Places for answers, each while it is made: its rows, their text and the JSON; and what the allocator keeps.
PER_PLACE_MB, PER_BULK_MB, SLACK_MB = 5, 12, 40


def run_all(tally, service, postgres):
    org = service.create_org("unread")
    bury(postgres, org)
    tally.run("unread", f"{CLIENTS} clients who ask for pages of {DEAD_KEYS} dead keys of 54 KiB and read nothing", lists, service, org)
    tally.run("unread", "a client who takes a byte a second", a_byte_a_second, service, org)
    tally.run("unread", f"{CLIENTS} bulk bodies of {BULK_LINES} lines with ten unknown names each, answers unread", bulks, service, org)


def bury(postgres, org):
    """Keys that ended long ago, which no limit counts."""
    postgres.sql(f"""INSERT INTO public_keys (org_id, unique_id, usages, type, public_key, fingerprint, algorithm, created_at,
                                              expires_at, expiry_set_at, expiry_told)
                     SELECT '{org['org_id']}', gen_random_uuid(), '{{Reports}}', 'PGP',
                            (SELECT string_agg(md5(n::text || m::text), '') FROM generate_series(1, {KEY_BYTES // 32}) AS m),
                            n::text, 'Ed25519', '2026-01-01', '2026-02-01', '2026-01-01', 0
                     FROM generate_series(1, {DEAD_KEYS}) AS n""")


def metric(service, name):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", service.internal, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    line = next(line for line in text.splitlines() if line.startswith(name + " "))
    return float(line.split(" ")[1])


def running(service, lane):
    return metric(service, f'partner_api_http_requests_in_flight{{lane="{lane}"}}')


def given_up(service):
    return metric(service, 'partner_api_connections_given_up_total{listener="public"}')


def deaf(service, request):
    """Sends, and never reads; its own socket holds next to nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(90)
    made.connect(("127.0.0.1", service.public))
    threading.Thread(target=send_all, args=(made, request), daemon=True).start()
    return made


def send_all(connection, request):
    try:
        connection.sendall(request)
    except OSError:
        pass


def watch(service, lane, held, bound):
    """The most memory and places meanwhile, and after how long all places are free again."""
    began, most, places, free_since = time.monotonic(), 0, 0, None
    before = given_up(service)
    while time.monotonic() - began < PATIENCE * 3:
        most, now = max(most, rss(service)), running(service, lane)
        places = max(places, now)
        free_since = (free_since or time.monotonic()) if now == 0 and places else None
        if free_since and time.monotonic() - free_since > 2:
            break
        time.sleep(0.2)
    took = (free_since or time.monotonic()) - began
    for each in held:
        each.close()
    assert free_since, f"places were still held after {took:.0f} s"
    assert took < PATIENCE + 15, f"places were held for {took:.0f} s"
    assert most < bound, f"RSS {most:.0f} MB, more than {bound:.0f} MB"
    return most, places, took, given_up(service) - before


def lists(service, org):
    path = f"/api/v1/key/list/{org['key']}?includeExpired=true"
    ask = f"GET {path} HTTP/1.1\r\nhost: localhost\r\ntaih-tenant-key: {org['tenant_api_key']}\r\n\r\n".encode()
    page = service.call("GET", path, key=org["tenant_api_key"], whole=True)
    sizes, pages = [], 0
    while True:
        sizes.append(sum(len(item["PublicKey"]) for item in page["Items"]))
        pages += 1
        if not page["Next"]:
            break
        page = service.call("GET", f"{path}&next={page['Next']}", key=org["tenant_api_key"], whole=True)
    assert max(sizes) <= PAGE_BYTES and sum(sizes) == DEAD_KEYS * KEY_BYTES, sizes
    before = rss(service)
    held = [deaf(service, ask * 20) for _ in range(CLIENTS)]
    most, places, took, closed = watch(service, "public", held, before + PLACES * PER_PLACE_MB + SLACK_MB)
    assert closed >= places, f"{closed} connections were given up"
    print(f"         {pages} pages; {places:.0f} of {PLACES} places held, free again after {took:.0f} s, {closed:.0f} connections given up; "
          f"RSS {before:.0f} -> {most:.0f} -> {rss(service):.0f} MB")


def a_byte_a_second(service, org):
    path = f"/api/v1/key/list/{org['key']}?includeExpired=true"
    ask = f"GET {path} HTTP/1.1\r\nhost: localhost\r\ntaih-tenant-key: {org['tenant_api_key']}\r\n\r\n".encode()
    before, reader, began, taken = given_up(service), deaf(service, ask * 20), time.monotonic(), 0
    # What the client's own kernel holds for it can be read long after the server has gone.
    while given_up(service) == before and time.monotonic() - began < PATIENCE * 3:
        time.sleep(1)
        try:
            taken += len(reader.recv(1))
        except OSError:
            break
    took = time.monotonic() - began
    reader.close()
    assert given_up(service) == before + 1, f"it was borne for {took:.0f} s"
    until("its place is free", 5, lambda: running(service, "public") == 0)
    print(f"         hung up on after {took:.0f} s and {taken} bytes")


def bulks(service, org):
    names = "".join(f',"{"n" * 39}{n}":0' for n in range(10))
    body = (f'{{"first_name":""{names}}}\n' * BULK_LINES).encode()
    head = (f"POST /v1/users/bulk HTTP/1.1\r\nhost: localhost\r\ntaih-tenant-key: {org['tenant_api_key']}\r\n"
            f"content-type: application/x-ndjson\r\ncontent-length: {len(body)}\r\n\r\n").encode()
    status, text = service.ask("POST", "/v1/users/bulk", {"taih-tenant-key": org["tenant_api_key"],
                               "Content-Type": "application/x-ndjson"}, body, timeout=60)
    results = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and len(results) == BULK_LINES, (status, len(results))
    assert len(text) < BULK_REPLY, f"{len(text)} bytes for {len(body)}"
    assert max(len(result["detail"]) for result in results) == 5
    before = rss(service)
    held = [deaf(service, (head + body) * 3) for _ in range(CLIENTS)]
    most, places, took, closed = watch(service, "bulk", held, before + 2 * PER_BULK_MB + SLACK_MB)
    print(f"         {len(body) / 1e6:.1f} MB are answered with {len(text) / 1e6:.1f} MB; {places:.0f} places held at a time, all free "
          f"after {took:.0f} s, {closed:.0f} connections given up; RSS {before:.0f} -> {most:.0f} -> {rss(service):.0f} MB")
