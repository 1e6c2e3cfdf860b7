"""Types the README's walk and the guides into shells and compares what comes."""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "lib")]
from lib.service import Service, free_ports  # noqa: E402
from lib.tally import Tally  # noqa: E402
from lib.typed import Shell  # noqa: E402
from postgres import Postgres, binaries  # noqa: E402

ROOT = os.path.join(HERE, "..", "..", "..")
# Typed whole, against the service of the README; each in a directory of its own.
GUIDES = ("docs/guides/rotating.md", "docs/guides/receiving.md", "docs/guides/idempotency.md", "docs/guides/limits.md",
          "docs/guides/onboarding.md")
RUNNING = "docs/guides/running.md"
# What the guides' commands take beyond the README's.
TOOLS = ("jq", "openssl")


def read(document):
    with open(os.path.join(ROOT, document)) as file:
        return file.read()


def type_out(text, directory, environment):
    """As a reader whose only program of ours is `partner-api` on the path."""
    shell = Shell(directory, {"HOME": directory, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", **environment})
    try:
        print(f"         {shell.walk(text)} commands answered as shown")
    finally:
        shell.close()


def readme(binary, service, receiver, directory):
    sections = {each.split("\n")[0]: each for each in read("README.md").split("\n## ")}
    text = "".join(sections[title].partition("\n")[2] for title in ("The first five minutes", "What is live"))
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service.public}").replace("9000", str(receiver))
    text = text.replace("cargo run -q --", binary).replace("./.data", os.path.join(directory, "data"))
    type_out(text, directory, {"DATA_DIR": os.path.join(directory, "data")})


def guide(document, service, receiver):
    directory = os.path.join(service.directory, os.path.basename(document).removesuffix(".md"))
    os.makedirs(directory)
    text = read(document).replace("127.0.0.1:8080", f"127.0.0.1:{service.public}").replace("9000", str(receiver))
    claim = service.claim() if "$CLAIM_URL" in text else ""
    type_out(text.replace("./.data", service.environment["DATA_DIR"]), directory, {"CLAIM_URL": claim})


class Demo(Service):
    def claim(self):
        """The link to a new org's credentials, as its partner gets it."""
        return self.command("org", "create", "--key", "acme", "--name", "Acme", "--claim").decode().split()[-1]


def running(binary, directory):
    """As an operator with an empty database of his own."""
    postgres = Postgres(os.path.join(directory, "pg"))
    try:
        postgres.sql("CREATE ROLE partner_api LOGIN", "postgres")
        postgres.sql("CREATE DATABASE partner_api OWNER partner_api", "postgres")
        home = os.path.join(directory, "running")
        os.makedirs(os.path.join(home, "bin"))
        os.symlink(binary, os.path.join(home, "bin", "partner-api"))
        text = read(RUNNING)
        for port, free in zip(("8080", "8081", "8082", "8083"), free_ports(4)):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        type_out(text, home, {
            "PATH": os.pathsep.join([os.path.join(home, "bin"), binaries(), os.environ["PATH"]]),
            "DATABASE_URL": f"postgres://partner_api@localhost/partner_api?host={postgres.directory}",
            "PGHOST": postgres.directory, "PGUSER": "admin", "PGDATABASE": "postgres",
        })
    finally:
        postgres.close()


def main():
    binary, tally = sys.argv[1], Tally()
    directory = tempfile.mkdtemp(prefix="readme-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    (receiver,) = free_ports(1)
    service = Demo(binary, directory, environment={"ALLOW_PRIVATE_TARGETS": "true"})
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    try:
        for time in ("the first time", "after a restart"):
            service.wait_until_ready()
            tally.run("readme", f"the first five minutes, {time}", readme, binary, service, receiver, directory)
            service.stop()
            service.start()
        service.wait_until_ready()
        for document in (*GUIDES, RUNNING):
            if missing:
                tally.skip("guide", document, f"{', '.join(missing)} not installed")
            elif document != RUNNING:
                tally.run("guide", f"{document} does what it says", guide, document, service, receiver)
            elif binaries():
                tally.run("guide", f"{document} does what it says", running, binary, directory)
            else:
                tally.skip("guide", document, "Postgres's server is not installed")
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
