"""Starts nginx, Caddy and the Kong plugin (under nginx) from the files in gateway/, on loopback."""

import os
import shutil
import socket
import subprocess
import time

from lib.service import free_ports

HERE = os.path.dirname(os.path.abspath(__file__))
KIT = os.path.normpath(os.path.join(HERE, "../../../gateway"))
LUA_MODULES = ("/usr/lib/nginx/modules/ndk_http_module.so", "/usr/lib/nginx/modules/ngx_http_lua_module.so")
LUA_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so", "/usr/lib/aarch64-linux-gnu/lua/5.1/cjson.so")
PACKAGES = {"nginx": "nginx", "caddy": "caddy", "kong": "nginx libnginx-mod-http-lua lua-cjson lua-nginx-string"}


def program(kind):
    """Debian keeps nginx where ordinary users do not look."""
    name = "caddy" if kind == "caddy" else "nginx"
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def missing(kind):
    """The Debian packages this gateway needs, if any is missing."""
    there = program(kind)
    if kind == "kong":
        there = (there and all(map(os.path.exists, LUA_MODULES)) and any(map(os.path.exists, LUA_LIBRARIES))
                 and os.path.exists("/usr/share/lua/5.1/nginx/sha256.lua"))
    return None if there else f"apt-get install {PACKAGES[kind]}"


def fill(path, values, pattern):
    with open(path) as file:
        text = file.read()
    for name, value in values.items():
        text = text.replace(pattern % name, value)
    return text


class Gateway:
    """Started when made; registers itself in `children` at once, so that it is stopped whatever happens next."""

    def __init__(self, kind, directory, public, internal, secret, children, other=None, caching=False):
        self.kind, self.port, self.caching = kind, free_ports(1)[0], caching
        self.directory = os.path.join(directory, f"{kind}-{self.port}")
        os.makedirs(self.directory)
        self.log = os.path.join(directory, "logs", f"{kind}-{self.port}.log")
        self.values = {
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}", "GATEWAY_SECRET": secret,
            "PARTNER_API_PUBLIC": f"127.0.0.1:{public}", "PARTNER_API_INTERNAL": f"127.0.0.1:{internal}",
        }
        # For Kong: the verify of another service behind it, and a file with the proof.
        self.other, self.secret_file = f"127.0.0.1:{other}", os.path.join(self.directory, "secret")
        with open(self.secret_file, "w") as file:
            file.write(secret + "\n")
        command = self.caddy() if kind == "caddy" else self.nginx()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory,
                                            env={**os.environ, **self.environment})
        children.append(self)
        self.wait()

    def caddy(self):
        self.environment = {**self.values, "GATEWAY_LISTEN": f"http://127.0.0.1:{self.port}",
                            "GATEWAY_BIND": "127.0.0.1", "XDG_DATA_HOME": self.directory,
                            "XDG_CONFIG_HOME": self.directory}
        return [program("caddy"), "run", "--config", os.path.join(KIT, "caddy", "Caddyfile"), "--adapter", "caddyfile"]

    def nginx(self):
        self.environment = {}
        modules = LUA_MODULES if self.kind == "kong" else ()
        if self.kind == "kong":
            values = {**self.values, "HERE": HERE, "KONG": os.path.join(KIT, "kong"), "LOG": self.log + ".access",
                      "OTHER_INTERNAL": self.other, "SECRET_FILE": self.secret_file}
            site = fill(os.path.join(HERE, "kong_under_nginx.conf"), values, "@%s@")
        else:
            site = fill(os.path.join(KIT, "nginx", "partner-api.conf"), self.values, "${%s}")
            # As somebody might who wants a cache: on, and whatever the service says about it ignored.
            careless = ("proxy_cache careless; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control Expires;\n"
                        "add_header X-Cache-Status $upstream_cache_status;\n") if self.caching else ""
            site = (f"proxy_cache_path {self.directory}/careless keys_zone=careless:1m;\n"
                    + site.replace("server_tokens off;", "server_tokens off;\n" + careless))
        temporary = "".join(f"{name}_temp_path {self.directory}/{name};\n"
                            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        main = "".join(f"load_module {path};\n" for path in modules) + (
            ("user root;\n" if os.geteuid() == 0 else "") +
            f"daemon off;\nmaster_process off;\npid {self.directory}/nginx.pid;\nerror_log stderr notice;\n"
            f"events {{ worker_connections 512; }}\n"
            f"http {{\naccess_log {self.log}.requests;\n{temporary}{site}}}\n")
        path = os.path.join(self.directory, "nginx.conf")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(main)
        return [program("nginx"), "-p", self.directory, "-c", path, "-e", "stderr"]

    def wait(self):
        for _ in range(200):
            if self.process.poll() is not None:
                break
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
        with open(self.log) as file:
            raise AssertionError(f"{self.kind} did not start: {file.read()[-800:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
