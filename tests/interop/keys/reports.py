"""Reports, opened as partners open them: by gpg, sq, openpgp (npm), jwcrypto, joserfc and jose (npm). A short one of
every kind and form, and a long one through everything that can happen to it; `--full` makes that one of a million
users, and says what it took."""

import csv
import http.client
import io
import json
import os
import shutil
import subprocess
import time
import uuid

REPORTS = "/v1/admin/org/reports"
HERE = os.path.dirname(os.path.abspath(__file__))
LONG, FULL = 20_000, 1_000_000
BULK = 10_000
TYPES = ("users", "audit_log", "events", "credentials")


def run(*command, stdin=None, out=None):
    done = subprocess.run(command, input=stdin, stdout=out or subprocess.PIPE, stderr=subprocess.PIPE, timeout=900)
    assert done.returncode == 0, f"{command[0]}: exit {done.returncode}: {done.stderr.decode()[-400:]}"
    return done.stdout


class Holder:
    """Somebody with a private half in `directory`; opens a content file into another one."""

    def __init__(self, directory, node):
        self.directory, self.node = directory, node
        self.file = lambda name: os.path.join(directory, name)

    def by_node(self, key, content, opened):
        with open(opened, "wb") as out:
            run("node", os.path.join(HERE, "open.mjs"), key, content, out=out)


class OpenPgp(Holder):
    """A key of sq's, imported into a keyring of gpg's."""

    kind, media_type = "PGP", "application/pgp-encrypted"

    def __init__(self, directory, node):
        super().__init__(directory, node)
        self.secret = self.file("secret.pgp")
        if shutil.which("sq"):
            run("sq", "key", "generate", "--userid", "reports <reports@example.com>", "--export", self.secret)
            self.public = run("sq", "key", "extract-cert", self.secret).decode()
        # Short: gpg-agent's socket lies in it.
        self.home = self.file("g")
        os.makedirs(self.home, mode=0o700)
        if shutil.which("sq"):
            self.gpg("--import", self.secret)
        else:
            self.gpg("--quick-generate-key", "reports <reports@example.com>", "ed25519", "sign", "never")
            listed = self.gpg("--with-colons", "--list-keys").decode().splitlines()
            fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
            self.gpg("--quick-add-key", fingerprint, "cv25519", "encr", "never")
            self.public = self.gpg("--armor", "--export").decode()
            with open(self.secret, "wb") as secret:
                secret.write(self.gpg("--armor", "--export-secret-keys"))

    def gpg(self, *arguments):
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback",
                   "--passphrase", "", *arguments)

    def end(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True)

    def openers(self):
        yield "gpg", lambda content, opened: self.gpg("--yes", "--output", opened, "--decrypt", content)
        if shutil.which("sq"):
            yield "sq", lambda content, opened: run("sq", "--force", "decrypt", "--recipient-key", self.secret,
                                                    "--output", opened, content)
        if self.node:
            yield "openpgp (npm)", lambda content, opened: self.by_node(self.secret, content, opened)


class Rsa(Holder):
    """A key of openssl's."""

    kind, media_type = "RSA", "application/jose"

    def __init__(self, directory, node):
        super().__init__(directory, node)
        self.secret = self.file("secret.pem")
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", self.secret)
        self.public = run("openssl", "pkey", "-pubout", "-in", self.secret).decode()
        with open(self.secret, "rb") as pem:
            self.pem = pem.read()

    def end(self):
        pass

    def openers(self):
        yield "jwcrypto", self.lines(self.jwcrypto())
        yield "joserfc", self.lines(self.joserfc())
        if self.node:
            yield "jose (npm)", lambda content, opened: self.by_node(self.secret, content, opened)

    @staticmethod
    def lines(open_line):
        def open_all(content, opened):
            with open(content) as sealed, open(opened, "wb") as out:
                for line in sealed:
                    plain = open_line(line.rstrip("\n"))
                    assert len(plain) <= 1024 * 1024, "more than a mebibyte in a line"
                    out.write(plain)
        return open_all

    def jwcrypto(self):
        from jwcrypto import jwe, jwk
        key = jwk.JWK.from_pem(self.pem)

        def open_line(line):
            opened = jwe.JWE()
            opened.allowed_algs = ["RSA-OAEP-256", "A256GCM"]
            opened.deserialize(line, key)
            return opened.payload
        return open_line

    def joserfc(self):
        from joserfc import jwe
        from joserfc.jwk import RSAKey
        key = RSAKey.import_key(self.pem)
        registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "A256GCM"])
        # Its own bound is for tokens; a line holds a mebibyte.
        registry.max_ciphertext_length = registry.max_plaintext_length = 2 * 1024 * 1024
        return lambda line: jwe.decrypt_compact(line, key, registry=registry).plaintext


class Reporting:
    """An org whose reports `holder` opens."""

    def __init__(self, partner, holder):
        self.partner, self.service, self.holder = partner, partner.service, holder
        self.unique_id = partner.register(holder.kind, holder.public, usage=("Reports",))["UniqueId"]

    def ask(self, kind, format="ndjson"):
        asked = self.partner.call("POST", REPORTS, {"type": kind, "format": format}, expect=202)
        assert asked["encrypted_to"]["UniqueId"] == self.unique_id, asked
        return asked["report_id"]

    def shown(self, report):
        return self.partner.call("GET", f"{REPORTS}/{report}")

    def ready(self, report, seen=None, patience=600):
        until = time.monotonic() + patience
        while True:
            shown = self.shown(report)
            if seen is not None:
                seen.append((shown["progress"], shown["rows"], shown["bytes"]))
            if shown["status"] not in ("queued", "running"):
                assert shown["status"] == "ready", shown
                return shown
            assert time.monotonic() < until, shown
            time.sleep(0.1)

    def fetch(self, report, into, first=0, stop=None):
        """Appends the content from an octet on, up to another; gives the reply's head."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.public, timeout=60)
        headers = {"taih-tenant-key": self.partner.key}
        if first:
            headers["Range"] = f"bytes={first}-"
        connection.request("GET", f"{REPORTS}/{report}/content", headers=headers)
        reply = connection.getresponse()
        assert reply.status == (206 if first else 200), reply.status
        assert reply.getheader("Content-Type") == self.holder.media_type, reply.getheader("Content-Type")
        with open(into, "ab" if first else "wb") as file:
            left = (stop or float("inf")) - first
            while left > 0 and (piece := reply.read(int(min(left, 65536)))):
                file.write(piece)
                left -= len(piece)
        connection.close()
        return reply


def short(reporting, node):
    """Every type and form, of a few rows, by every tool."""
    holder, partner = reporting.holder, reporting.partner
    people = {str(uuid.uuid4()): name for name in ("Ada", "Zoë \"Z\", =1", "李")}
    for user_id, name in people.items():
        partner.call("POST", "/v1/users", {"user_id": user_id, "first_name": name}, expect=201)
    for kind in TYPES:
        for form in ("ndjson", "csv"):
            report = reporting.ask(kind, form)
            shown = reporting.ready(report)
            content = holder.file(f"{kind}.{form}.sealed")
            reporting.fetch(report, content)
            assert os.path.getsize(content) == shown["bytes"], shown
            texts = set()
            for name, open_it in holder.openers():
                opened = holder.file(f"{kind}.{form}")
                open_it(content, opened)
                with open(opened, newline="", encoding="utf-8") as file:
                    texts.add(file.read())
                assert len(texts) == 1, f"{name} reads another text"
            text = texts.pop()
            rows = list(csv.DictReader(io.StringIO(text, newline=""))) if form == "csv" else \
                [json.loads(line) for line in text.splitlines()]
            assert len(rows) == shown["rows"], (kind, form, len(rows), shown)
            if kind == "users":
                names = [row["first_name"] if form == "csv" else row["profile"]["first_name"] for row in rows]
                assert names == list(people.values()), names


def fill(partner, count):
    for start in range(0, count, BULK):
        lines = "".join(
            json.dumps({"user_id": str(uuid.uuid4()), "first_name": f"First {n}", "last_name": f"Last {n}",
                        "email": f"user-{n}@example.com"}) + "\n"
            for n in range(start, min(start + BULK, count)))
        headers = {"taih-tenant-key": partner.key, "Content-Type": "application/x-ndjson"}
        status, reply = partner.service.ask("POST", "/v1/users/bulk", headers, lines.encode(), timeout=120)
        assert status == 200 and reply.count(b'"created"') == min(BULK, count - start), reply[:200]


def memory(service, field):
    """Of the process, in MiB."""
    with open(f"/proc/{service.process.pid}/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) / 1024


def reset_peak(service):
    with open(f"/proc/{service.process.pid}/clear_refs", "w") as refs:
        refs.write("5")


def long(reporting, count):
    """Many rows: memory, progress, fetched in two parts, opened by every tool; then the maker is killed."""
    holder, service = reporting.holder, reporting.service
    fill(reporting.partner, count)
    reset_peak(service)
    before, began, seen = memory(service, "VmRSS"), time.monotonic(), []
    report = reporting.ask("users")
    shown = reporting.ready(report, seen)
    took, more = time.monotonic() - began, memory(service, "VmHWM") - before
    assert shown["rows"] == count and shown["progress"] == 1, shown
    assert seen == sorted(seen), "progress went back"
    content = holder.file("long.sealed")
    began = time.monotonic()
    half = shown["bytes"] // 2
    reporting.fetch(report, content, stop=half)
    reply = reporting.fetch(report, content, first=half)
    fetched = time.monotonic() - began
    assert reply.getheader("Content-Range") == f"bytes {half}-{shown['bytes'] - 1}/{shown['bytes']}"
    steps = len({progress for progress, *_ in seen})
    print(f"         {holder.kind}: {count} users in {took:.1f} s, {shown['bytes'] / 1e6:.0f} MB, {more:.0f} MiB more at "
          f"the peak, {steps} values of progress seen; fetched in {fetched:.1f} s")
    assert more < 64, f"{more:.0f} MiB more"
    for name, open_it in holder.openers():
        began, opened = time.monotonic(), holder.file("long")
        open_it(content, opened)
        with open(opened, "rb") as file:
            assert sum(1 for _ in file) == count, name
        print(f"         {name}: opened in {time.monotonic() - began:.1f} s")
    reporting.partner.call("DELETE", f"{REPORTS}/{report}", expect=204, whole=True)


def killed(reporting, count):
    """`kill -9` while it is made: the next process begins again, and the whole report opens."""
    service, holder = reporting.service, reporting.holder
    report = reporting.ask("users")
    until = time.monotonic() + 60
    while reporting.shown(report)["bytes"] == 0:
        assert time.monotonic() < until, "it never began"
        time.sleep(0.01)
    service.kill()
    service.start()
    service.wait_until_ready()
    assert reporting.shown(report)["status"] in ("running", "queued")
    shown = reporting.ready(report)
    content, opened = holder.file("killed.sealed"), holder.file("killed")
    reporting.fetch(report, content)
    next(holder.openers())[1](content, opened)
    with open(opened, "rb") as file:
        assert sum(1 for _ in file) == count == shown["rows"]


def walk(partner, tally, directory, node, full):
    count = FULL if full else LONG
    holders = [(OpenPgp, "gpg", "a certificate"), (Rsa, "openssl", "an RSA key")]
    for make, tool, name in holders:
        if not shutil.which(tool):
            tally.skip("report", f"reports to {name}", f"{tool} is not installed")
            continue
        home = os.path.join(directory, make.__name__.lower())
        os.makedirs(home)
        holder = make(home, node)
        try:
            reporting = Reporting(partner(f"{make.__name__.lower()}-short"), holder)
            tools = ", ".join(name for name, _ in holder.openers())
            tally.run("report", f"of every kind, to {name}: {tools}", short, reporting, node)
            reporting = Reporting(partner(f"{make.__name__.lower()}-long"), holder)
            tally.run("report", f"of {count} users, to {name}: {tools}", long, reporting, count)
            tally.run("report", f"of {count} users, to {name}: kill -9", killed, reporting, count)
        finally:
            holder.end()
