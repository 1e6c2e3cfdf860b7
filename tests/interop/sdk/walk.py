"""Checks, builds, installs and uses the clients for partners. Started by ./run."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "lib"))

import readmes  # noqa: E402
from part import run_part  # noqa: E402
from proxy import BrokenProxy  # noqa: E402
from service import Service  # noqa: E402

CLIENTS = os.path.abspath(os.path.join(HERE, "..", "..", "..", "clients"))
TYPESCRIPT, PYTHON = os.path.join(CLIENTS, "typescript"), os.path.join(CLIENTS, "python")
TSC = os.path.join(TYPESCRIPT, "node_modules", ".bin", "tsc")
VENV = os.path.join(PYTHON, ".venv", "bin")
STRICT = ["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--module", "nodenext", "--target",
          "es2022", "--typeRoots", os.path.join(TYPESCRIPT, "node_modules", "@types"), "--types", "node"]


def tool(*command, cwd, environment=None, timeout=300):
    """A tool's standard output; all that it says, if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, timeout=timeout, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})})
    assert done.returncode == 0, f"exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"
    return done.stdout


def outcomes(tally, part, name, *command, cwd, environment):
    """Counts what a program says, one line of JSON an outcome."""
    try:
        output = tool(*command, cwd=cwd, environment=environment)
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        assert lines, f"it said nothing: {output[-300:]}"
    except (AssertionError, subprocess.TimeoutExpired) as error:
        tally.fail(part, name, str(error)[-900:])
        return
    for line in lines:
        if line["problem"] is None:
            tally.passed += 1
            tally.say("ok", part, line["name"])
        else:
            tally.fail(part, line["name"], line["problem"])


class TypeScript:
    """The package as it is published, installed in a directory where there is nothing else."""

    part = "ts"

    def __init__(self, directory):
        self.directory = os.path.join(directory, "typescript")
        os.makedirs(self.directory)

    def checks(self):
        tool("npm", "run", "--silent", "test", cwd=TYPESCRIPT)

    def install(self):
        tool("npm", "run", "--silent", "build", cwd=TYPESCRIPT)
        [packed] = json.loads(tool("npm", "pack", "--json", "--pack-destination", self.directory, cwd=TYPESCRIPT))
        names = {file["path"] for file in packed["files"]}
        assert {"dist/index.js", "dist/index.d.ts", "README.md", "LICENSE", "CHANGELOG.md", "package.json"} <= names, names
        assert not any(name.startswith(("src", "test", "built")) for name in names), names
        with open(os.path.join(self.directory, "package.json"), "w", encoding="utf-8") as file:
            json.dump({"private": True, "type": "module"}, file)
        tool("npm", "install", "--offline", "--no-audit", "--no-fund", packed["filename"], cwd=self.directory)
        said = tool("node", "-e", "import('partner-api-client').then((m) => console.log(m.VERSION))", cwd=self.directory)
        assert said.strip() == packed["version"], said

    def program(self, name):
        with open(os.path.join(HERE, "live.ts"), encoding="utf-8") as file:
            live = file.read()
        with open(os.path.join(TYPESCRIPT, "README.md"), encoding="utf-8") as file:
            readme = readmes.typescript_program(file.read())
        path = os.path.join(self.directory, f"{name}.ts")
        with open(path, "w", encoding="utf-8") as file:
            file.write({"live": live, "readme": readme}[name])
        tool(TSC, *STRICT, f"{name}.ts", cwd=self.directory)
        return ["node", f"{name}.js"]


class Python:
    """The package as it is published, installed in an environment where there is nothing else."""

    part = "python"

    def __init__(self, directory):
        self.directory = os.path.join(directory, "python")
        os.makedirs(self.directory)
        self.python = os.path.join(self.directory, "venv", "bin", "python")

    def checks(self):
        tool(os.path.join(VENV, "mypy"), "--cache-dir", os.path.join(self.directory, "mypy"), cwd=PYTHON)
        tool(os.path.join(VENV, "python"), "-m", "pytest", cwd=PYTHON, environment={"PYTHONPATH": "src"})

    def install(self):
        tool(os.path.join(VENV, "python"), "-m", "build", "--no-isolation", "--outdir", self.directory, PYTHON,
             cwd=self.directory)
        made = sorted(name for name in os.listdir(self.directory) if name.startswith("partner_api_client-"))
        assert len(made) == 2 and made[0].endswith(".whl") and made[1].endswith(".tar.gz"), made
        tool(sys.executable, "-m", "venv", os.path.join(self.directory, "venv"), cwd=self.directory)
        lock = os.path.join(PYTHON, "requirements-dev.lock")
        tool(self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", lock, made[0],
             cwd=self.directory)
        said = tool(self.python, "-c", "import partner_api; print(partner_api.__version__)", cwd=self.directory)
        assert said.strip() == made[0].split("-")[1], said

    def program(self, name):
        with open(os.path.join(PYTHON, "README.md"), encoding="utf-8") as file:
            readme = readmes.python_program(file.read())
        with open(os.path.join(HERE, "live.py"), encoding="utf-8") as file:
            live = file.read()
        path = os.path.join(self.directory, f"{name}.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write({"live": live, "readme": readme}[name])
        tool(os.path.join(VENV, "mypy"), "--strict", "--python-executable", self.python, "--cache-dir",
             os.path.join(self.directory, "mypy-live"), f"{name}.py", cwd=self.directory)
        return [self.python, f"{name}.py"]


def partner(service, org):
    """A new organisation, as the programs' environment has it."""
    made = service.create_org(org)
    return {"URL": f"http://127.0.0.1:{service.public}", "KEY": made["tenant_api_key"], "ORG_ID": made["org_id"],
            "SECRET": made["signing_secret"]}


def reader(service, org, directory):
    """What a README's reader has: an organisation, and a registered key."""
    given, key = partner(service, org), os.path.join(directory, "signing.pem")
    tool("openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key, cwd=directory)
    public = tool("openssl", "pkey", "-in", key, "-pubout", cwd=directory)
    body = {"OwnerCode": org, "Usage": ["Authentication", "CredentialsDownload"], "Type": "RSA", "PublicKey": public,
            "ExpirationUtc": "2028-01-01T00:00:00Z"}
    made = service.call("POST", "/api/v1/key", body, key=given["KEY"], whole=True)
    return {"PARTNER_API_URL": given["URL"], "PARTNER_API_KEY": given["KEY"], "SIGNING_SECRET": given["SECRET"],
            "SIGNING_KEY_FILE": key, "SIGNING_KEY_ID": made["UniqueId"]}


def live(tally, service, proxy, client):
    try:
        command = client.program("live")
    except AssertionError as error:
        tally.fail(client.part, "the program is typed", str(error)[-900:])
        return
    environment = {**partner(service, f"live-{client.part}"), "PROXY": proxy.url}
    outcomes(tally, client.part, "on the service", *command, cwd=client.directory, environment=environment)


def readme(service, client):
    command = client.program("readme")
    tool(*command, cwd=client.directory, environment=reader(service, f"readme-{client.part}", client.directory))


def fresh(tally):
    """Whether the clients are as they would be made now; which of them can be tried."""
    said = subprocess.run([os.path.join(CLIENTS, "generate"), "--check"], capture_output=True, text=True, timeout=600)
    text = (said.stdout + said.stderr).strip()
    if said.returncode != 0:
        tally.fail("all", "the clients are fresh", text[-900:])
    elif "SKIPPED" in text:
        tally.skip("all", "the clients are fresh", text.split("SKIPPED: ", 1)[1])
    else:
        tally.passed += 1
        tally.say("ok", "all", "the clients are fresh")
    return [kind for kind, mark in ((TypeScript, TSC), (Python, os.path.join(VENV, "mypy"))) if os.path.exists(mark)]


def walk(arguments, directory, tally, children):
    kinds = fresh(tally)
    for kind in (TypeScript, Python):
        if kind not in kinds:
            tally.skip(kind.part, "the client", "what it is checked with is not here")
    service = Service(arguments.bin, directory, {"ALLOW_PRIVATE_TARGETS": "true"})
    children.append(service)
    service.wait_until_ready()
    proxy = BrokenProxy(service.public)
    children.append(proxy)
    for kind in kinds:
        client = kind(directory)
        failed = tally.failed
        tally.run(client.part, "types and unit tests", client.checks)
        tally.run(client.part, "built, and installed where there is nothing else", client.install)
        if tally.failed == failed:
            live(tally, service, proxy, client)
            tally.run(client.part, "every example of the README", readme, service, client)


if __name__ == "__main__":
    run_part(walk)
