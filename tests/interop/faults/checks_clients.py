"""Clients that are slow, silent, loud, impatient, or simply many."""

import json
import os
import random
import select
import socket
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from load import PAUSE
from postgres import until

SLOW, HEADER_TIMEOUT, REQUEST_TIMEOUT = 100, 30, 10
IDLE = 10_000


def run_slow(tally, service):
    org = service.create_org("slow")
    tally.run("client", "slow heads, slow bodies and silence, while others work", slow, service, org)


def run_all(tally, service, postgres, repeat):
    org = service.create_org("clients")
    tally.run("client", "floods of headers", header_floods, service)
    tally.run("client", "pipelining", pipelining, service)
    tally.run("client", "hang up in the middle of a write", hang_ups, service, postgres, org, 3 * repeat)
    tally.run("client", f"{IDLE} idle connections", idle, service, org)


def connect(service, timeout=20):
    made = socket.create_connection(("127.0.0.1", service.public), timeout=timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def rss(service):
    """Megabytes."""
    with open(f"/proc/{service.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def answer_of(connection):
    """Status of the next answer on a connection; 0 if the server hung up first."""
    arrived = b""
    try:
        while b"\r\n" not in arrived:
            more = connection.recv(4096)
            if not more:
                return 0
            arrived += more
    except (ConnectionError, BrokenPipeError):
        return 0
    return int(arrived.split(b" ", 2)[1])


class Others:
    """Well-behaved clients beside; how long they wait."""

    def __init__(self, service, org):
        self.took, self.statuses, self.stopped = [], Counter(), threading.Event()
        self.service, self.headers = service, {"taih-tenant-key": org["tenant_api_key"]}
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stopped.is_set():
            asked = time.monotonic()
            try:
                status = self.service.ask("GET", "/v1/users?limit=1", self.headers)[0]
            except OSError:
                status = 0
            self.took.append(time.monotonic() - asked)
            self.statuses[status] += 1
            time.sleep(PAUSE)

    def stop(self):
        self.stopped.set()
        self.thread.join()
        assert set(self.statuses) == {200}, f"others were answered {self.statuses}"
        took = sorted(self.took)
        return f"{len(took)} requests of others, the slowest in {1000 * took[-1]:.0f} ms"


def slow(service, org):
    """Every second a byte; those who say nothing; and how long each is borne."""
    others, before, began = Others(service, org), rss(service), time.monotonic()
    head = b"GET /v1/features HTTP/1.1\r\nhost: localhost\r\nx-slow: "
    post = (f"POST /v1/users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n"
            f"taih-tenant-key: {org['tenant_api_key']}\r\n\r\n").encode()
    groups = {"head": [connect(service) for _ in range(SLOW)], "body": [connect(service) for _ in range(SLOW)],
              "silent": [connect(service) for _ in range(SLOW)]}
    for each in groups["head"]:
        each.sendall(head)
    for each in groups["body"]:
        each.sendall(post)
    ended, statuses = {name: [] for name in groups}, {name: Counter() for name in groups}
    while any(groups.values()) and time.monotonic() - began < HEADER_TIMEOUT + 15:
        readable = set(select.select([c for group in groups.values() for c in group], [], [], 1)[0])
        for name, group in groups.items():
            for each in [each for each in group if each in readable]:
                ended[name].append(time.monotonic() - began)
                statuses[name][answer_of(each)] += 1
                each.close()
                group.remove(each)
            for each in group if name != "silent" else []:
                try:
                    each.sendall(b"a")
                except OSError:
                    pass
    figures, left = others.stop(), {name: len(group) for name, group in groups.items() if group}
    assert not left, f"still open after {HEADER_TIMEOUT + 15} s: {left}"
    assert max(ended["body"]) < REQUEST_TIMEOUT + 2 and set(statuses["body"]) == {503}, (max(ended["body"]), statuses["body"])
    assert max(ended["head"]) < HEADER_TIMEOUT + 3 and max(ended["silent"]) < HEADER_TIMEOUT + 3, ended
    assert set(statuses["head"]) == {408} and set(statuses["silent"]) == {0}, statuses
    borne = ", ".join(f"{name} {max(times):.1f} s ({dict(statuses[name])})" for name, times in ended.items())
    print(f"         {SLOW} each: borne for {borne}; {figures}; RSS {before:.0f} -> {rss(service):.0f} MB")


def header_floods(service):
    before, outcomes = rss(service), {}
    line = lambda n: b"x-flood-%d: aaaaaaaaaaaaaaaa\r\n" % n
    start = b"GET /v1/features HTTP/1.1\r\nhost: localhost\r\n"
    floods = {
        "199 more headers": start + b"".join(map(line, range(199))) + b"\r\n",
        "200 more headers": start + b"".join(map(line, range(200))) + b"\r\n",
        "5,000 headers": start + b"".join(map(line, range(5_000))) + b"\r\n",
        "a header of 60 KiB": start + b"x-big: " + b"a" * 60 * 1024 + b"\r\n\r\n",
        "a header of 70 KiB": start + b"x-big: " + b"a" * 70 * 1024 + b"\r\n\r\n",
        "a request line of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    }
    for name, bytes_sent in floods.items():
        statuses = set()
        for _ in range(20):
            with connect(service) as connection:
                try:
                    connection.sendall(bytes_sent)
                except OSError:
                    pass
                statuses.add(answer_of(connection))
        outcomes[name] = sorted(statuses)
    # Without an end, by fifty at once.
    endless, sent = [connect(service) for _ in range(50)], 0
    for each in endless:
        each.settimeout(2)
        try:
            each.sendall(start)
            for n in range(2_000):
                each.sendall(line(n) * 50)
                sent += 1
        except OSError:
            pass
        each.close()
    assert outcomes["199 more headers"] == [401] and outcomes["a header of 60 KiB"] == [401], outcomes
    refused = {name: statuses for name, statuses in outcomes.items() if statuses != [401]}
    assert len(refused) == 4 and all(set(statuses) <= {0, 400, 414, 431} for statuses in refused.values()), outcomes
    assert rss(service) - before < 50, f"RSS {before:.0f} -> {rss(service):.0f} MB"
    print(f"         {refused}; 50 endless heads were cut off after {sent / 50:.0f} times 1.4 KB each; "
          f"RSS {before:.0f} -> {rss(service):.0f} MB")


def pipelining(service):
    """A thousand requests in one breath are answered in order; one who never reads fills no memory."""
    request = lambda n: f"GET /livez HTTP/1.1\r\nhost: localhost\r\nx-request-id: n{n}\r\n\r\n".encode()
    with connect(service) as connection:
        threading.Thread(target=connection.sendall, args=(b"".join(map(request, range(1_000))),), daemon=True).start()
        text = b""
        while text.count(b"x-request-id: n") < 1_000 or not text.endswith(b"ok\n"):
            more = connection.recv(65536)
            assert more, "the server hung up"
            text += more
    ids = [line.split(b": n")[1] for line in text.split(b"\r\n") if line.startswith(b"x-request-id: n")]
    assert [int(each) for each in ids] == list(range(1_000)), "not in order"
    before, deaf, written = rss(service), [connect(service) for _ in range(20)], 0
    for each in deaf:
        each.settimeout(0.5)
        try:
            while written < 10_000_000:
                each.sendall(request(0) * 1_000)
                written += 1_000
        except OSError:
            pass  # neither side's buffers take any more
    assert written < 10_000_000, "it goes on reading what it cannot answer"
    grown = rss(service) - before
    for each in deaf:
        each.close()
    assert grown < 50, f"RSS grew by {grown:.0f} MB"
    print(f"         1000 answers in order; 20 who never read could send {written} requests before they were made to wait: RSS {grown:+.0f} MB")


def write_and_leave(service, key, user_id, n):
    """One write, left in the middle of it or at some moment after it; gives the status if that was read."""
    body = json.dumps({"user_id": user_id, "first_name": "Ada"}).encode()
    head = (f"POST /v1/users HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"taih-tenant-key: {key}\r\n\r\n").encode()
    request, status = head + body, None
    with connect(service) as connection:
        try:
            connection.sendall(request[:random.randrange(1, len(request)) if n % 5 == 0 else len(request)])
            if n % 5 == 1:
                status = answer_of(connection)
            else:
                time.sleep(random.uniform(0, 0.03))
        except OSError:
            pass
        if n % 2:
            # A reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return user_id, status


def hang_ups(service, postgres, org, rounds):
    """200 connections at a time write a user and go away before, while or after it is stored."""
    acknowledged, sent = set(), 0
    with ThreadPoolExecutor(200) as pool:
        for _ in range(rounds):
            key = org["tenant_api_key"]
            left = pool.map(lambda n: write_and_leave(service, key, str(uuid.uuid4()), n), range(200))
            acknowledged |= {user_id for user_id, status in left if status == 201}
            sent += 200
    time.sleep(1.5)
    rows = postgres.sql("SELECT user_id FROM users")
    there = {row[0] for row in rows}
    told = [row[0] for row in postgres.sql("SELECT body::jsonb -> 'data' ->> 'user_id' FROM events WHERE type = 'user.created'")]
    assert acknowledged <= there, f"{len(acknowledged - there)} acknowledged users are not there"
    assert sorted(told) == sorted(there), "users and their events differ"
    open_ones = postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
    assert open_ones == [["0"]], f"{open_ones} transactions were left open"
    until("it works", 5, lambda: service.ask("POST", "/v1/users", {"taih-tenant-key": org["tenant_api_key"],
          "Content-Type": "application/json"}, json.dumps({"user_id": str(uuid.uuid4())}))[0] == 201)
    print(f"         {sent} hung up, {len(acknowledged)} of them after their 201: {len(there)} users were stored, each with its event, "
          f"no acknowledged one lost, no transaction left open")


def idle(service, org):
    """As many as the service takes, each after one request; one more is turned away. Three times: the allocator
    keeps what the first crowd used and needs somewhat more for the next; a leak would need as much again for each."""
    before, figures = rss(service), []
    for _ in range(3):
        figures.append(idle_once(service, org))
        until("there is room again", 10, lambda: service_takes(service, request_of(org)))
    after = rss(service)
    assert figures[2]["rss"] - before < 2.2 * (figures[0]["rss"] - before), f"memory grows: {figures}"
    first = figures[0]
    print(f"         {IDLE} open after {first['opened']:.1f} s, the next was turned away; a request on an open one took {first['took']:.0f} ms; "
          f"RSS {before:.0f} MB before, {first['rss']:.0f} MB with them ({1000 * (first['rss'] - before) / IDLE:.1f} KB each), "
          f"{figures[1]['rss']:.0f} MB the second time, {figures[2]['rss']:.0f} MB the third, {after:.0f} MB after")


def idle_once(service, org):
    began, held = time.monotonic(), []
    try:
        for _ in range(IDLE):
            held.append(connect(service))
            held[-1].sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert answer_of(held[-1]) == 200
        opened, asked = time.monotonic() - began, time.monotonic()
        held[-1].sendall(request_of(org))
        assert answer_of(held[-1]) == 200
        took, full = 1000 * (time.monotonic() - asked), rss(service)
        assert not service_takes(service, request_of(org)), "one more than MAX_CONNECTIONS was taken"
        return {"opened": opened, "took": took, "rss": full}
    finally:
        for each in held:
            each.close()


def request_of(org):
    return f"GET /v1/features HTTP/1.1\r\nhost: localhost\r\ntaih-tenant-key: {org['tenant_api_key']}\r\n\r\n".encode()


def service_takes(service, request):
    with connect(service) as connection:
        try:
            connection.sendall(request)
            return answer_of(connection) == 200
        except OSError:
            return False
