"""nginx with the kit's own file, in front of two replicas; its access log says with which key a request was passed on."""

import os
import shutil
import socket
import subprocess
import time
from collections import Counter

from lib.service import free_ports

KIT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../gateway/nginx/partner-api.conf"))
MAIN = """
{user}daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log notice;
events {{ worker_connections 512; }}
http {{
    log_format passed_on '$partner_key_id|$status|$http_user_agent';
    access_log {directory}/access.log passed_on;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
{site}
}}
"""


class Gateway:
    def __init__(self, directory, replicas, secret):
        self.port, self.log = free_ports(1)[0], os.path.join(directory, "access.log")
        os.makedirs(directory)
        # Not tried a second time elsewhere: what is counted twice must be a fault of the service's.
        servers = lambda ports: "\n".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
        with open(KIT) as file:
            site = file.read()
        for name, value in {
            "server ${PARTNER_API_PUBLIC};": servers(replica.public for replica in replicas),
            "server ${PARTNER_API_INTERNAL};": servers(replica.internal for replica in replicas),
            "server_tokens off;": "server_tokens off; proxy_next_upstream off;",
            "${GATEWAY_LISTEN}": f"127.0.0.1:{self.port}",
            "${GATEWAY_SECRET}": secret,
        }.items():
            assert name in site, f"the kit's file has no {name} any more"
            site = site.replace(name, value)
        conf = os.path.join(directory, "nginx.conf")
        user = "user root; " if os.geteuid() == 0 else ""
        with open(os.open(conf, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(MAIN.format(user=user, directory=directory, site=site))
        program = shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-p", directory, "-c", conf, "-e", os.path.join(directory, "start.log")])
        self.wait()

    def wait(self):
        for _ in range(100):
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.process.poll() is None, "nginx did not start"
                time.sleep(0.05)
        raise AssertionError("nginx does not listen")

    def passed_on(self):
        """By key and `User-Agent`, the requests that were passed on and whose key the service found alive."""
        counted = Counter()
        with open(self.log) as log:
            for line in log:
                key_id, status, agent = line.rstrip("\n").split("|")
                if key_id not in ("", "-") and status != "401":
                    counted[key_id, agent] += 1
        return counted

    def stop(self):
        self.process.terminate()
        self.process.wait()
