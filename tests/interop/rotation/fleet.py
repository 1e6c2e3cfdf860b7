"""Clients that all hold one key and work at a steady pace."""

import http.client
import json
import threading
import time
import uuid


class Fleet:
    CLIENTS, PACE = 4, 0.01

    def __init__(self, port, key, agent):
        self.answers, self.stopped = [], threading.Event()
        work = lambda number: self.work(port, key, f"{agent}/{number % 2}")
        self.threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(self.CLIENTS)]
        for thread in self.threads:
            thread.start()

    def work(self, port, key, agent):
        """Each fleet has two versions in it, which read and write in turn."""
        connection, turn = None, 0
        headers = {"taih-tenant-key": key, "User-Agent": agent, "Content-Type": "application/json"}
        while not self.stopped.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            asked, turn = time.time(), turn + 1
            try:
                if turn % 4:
                    connection.request("GET", "/v1/users?limit=1", headers=headers)
                else:
                    connection.request("POST", "/v1/users", json.dumps({"user_id": str(uuid.uuid4())}), headers)
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except (OSError, http.client.HTTPException) as error:
                status, connection = type(error).__name__, None
            self.answers.append((asked, time.time(), status))
            time.sleep(self.PACE)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)
        return self

    def refused(self, since=0.0, until=float("inf")):
        """Answers that are no success, to what was asked after `since` and answered before `until`."""
        return [answer for answer in self.answers
                if answer[0] >= since and answer[1] <= until and answer[2] not in (200, 201)]

    def let_in(self, since):
        return [answer for answer in self.answers if answer[0] >= since and answer[2] in (200, 201)]
