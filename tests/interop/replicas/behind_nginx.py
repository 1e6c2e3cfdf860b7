"""Two replicas behind nginx, of which one is drained and one is killed while clients work."""

import http.client
import json
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections import Counter

from lib.service import free_ports

CONF = """
daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
    upstream replicas {{ {servers} keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
            proxy_connect_timeout 1s; proxy_read_timeout 10s;
        }}
    }}
}}
"""


def program():
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


class Nginx:
    def __init__(self, directory, replicas):
        self.port = free_ports(1)[0]
        os.makedirs(directory)
        servers = " ".join(f"server 127.0.0.1:{replica.public} max_fails=1 fail_timeout=1s;" for replica in replicas)
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w") as file:
            file.write(CONF.format(directory=directory, port=self.port, servers=servers))
        self.process = subprocess.Popen([program(), "-p", directory, "-c", conf, "-e", os.path.join(directory, "start.log")])

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Clients:
    """Make users, each with an `Idempotency-Key` of its own, read them back, and try once more when it fails."""

    COUNT, PACE = 8, 0.005

    def __init__(self, port, org_id):
        self.port, self.org_id = port, org_id
        self.created, self.failures, self.retries = set(), [], Counter()
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(self.COUNT)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.stopped.is_set():
            user_id = str(uuid.uuid4())
            body = json.dumps({"user_id": user_id})
            headers = {"Content-Type": "application/json", "Idempotency-Key": f"make-{user_id}"}
            if self.insist("POST", "/v1/users", headers, body, 201):
                self.created.add(user_id)
                self.insist("GET", f"/v1/users/{user_id}", {}, None, 200)
            time.sleep(self.PACE)

    def insist(self, method, path, headers, body, wanted):
        outcomes = []
        for _ in range(2):
            outcomes.append(self.ask(method, path, {**headers, "OrgId": self.org_id}, body))
            if outcomes[-1] == wanted:
                if len(outcomes) == 2:
                    self.retries[(method, outcomes[0])] += 1
                return True
            time.sleep(0.1)
        self.failures.append((method, outcomes))
        return False

    def ask(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            reply.read()
            return reply.status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)


def one_drained_one_killed(replicas, nginx, org_id):
    """With one retry no client sees an error, and each acknowledged user is there once."""
    drained, killed = replicas
    clients = Clients(nginx.port, org_id)
    time.sleep(2)
    assert drained.stop() == 0, "it did not end well"
    time.sleep(1)
    drained.start()
    drained.wait_until_ready()
    time.sleep(2)
    killed.kill()
    time.sleep(1)
    killed.start()
    killed.wait_until_ready()
    time.sleep(2)
    clients.stop()
    print(f"         {len(clients.created)} users made, {sum(clients.retries.values())} requests tried again: {dict(clients.retries)}")
    assert not clients.failures, clients.failures[:5]
    assert len(clients.created) > 500, len(clients.created)
    seen, cursor = Counter(), ""
    while cursor is not None:
        status, text = killed.ask("GET", f"/v1/users?limit=100&cursor={cursor}", {"OrgId": org_id})
        assert status == 200, text
        page = json.loads(text)
        seen.update(user["user_id"] for user in page["data"])
        cursor = page["pagination"]["next_cursor"]
    assert clients.created <= set(seen) and set(seen.values()) == {1}, "an acknowledged user is missing, or there twice"


def jobs_run_once(replicas, key, count):
    """The end of a key that three processes look for is told once."""
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    replicas[0].call("POST", "/v1/admin/org/tenant-keys", {"name": "short", "expires_at": end}, key=key, expect=201)
    told = lambda: [event for event in replicas[1].call("GET", "/v1/admin/org/events?stream=credentials&limit=100", key=key)
                    if event["type"] == "tenant_key.expired"]
    for _ in range(400):
        if told():
            break
        time.sleep(0.1)
    time.sleep(count)  # the others have looked as well by then
    assert len(told()) == 1, told()
