"""Reads the document with partners' tools, and uses what they make of it on the real service. Started by ./run."""

import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "lib"))

import examples  # noqa: E402
from part import run_part  # noqa: E402
from service import Service, free_ports  # noqa: E402
from stand_ins import StandIns  # noqa: E402

DOCUMENT = os.path.join(HERE, "..", "..", "..", "openapi", "openapi.json")
GENERATED = os.path.join(HERE, "generated")
MODULES = os.path.join(HERE, "node_modules", ".bin")
PYTHON = os.path.join(HERE, ".venv", "bin")


def tool(*command, environment=None, timeout=180, with_errors=False):
    """A tool's standard output, or all that it says; that as well if it fails."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, timeout=timeout, text=True,
                          env={**os.environ, **(environment or {})})
    assert done.returncode == 0, f"exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"
    return done.stdout + done.stderr if with_errors else done.stdout


def lint_redocly():
    tool(os.path.join(MODULES, "redocly"), "lint", "--config", "redocly.yaml", "--max-problems", "20", DOCUMENT,
         environment={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    # Warnings do not fail its run.
    text = tool(os.path.join(MODULES, "redocly"), "lint", "--config", "redocly.yaml", "--format", "json", DOCUMENT,
                environment={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"})
    totals = json.loads(text[text.index("{"):])["totals"]
    assert totals["errors"] == totals["warnings"] == 0, totals


def lint_spectral():
    tool(os.path.join(MODULES, "spectral"), "lint", "--ruleset", "spectral.yaml", "--fail-severity", "hint", DOCUMENT)


def generate_typescript():
    tool(os.path.join(MODULES, "openapi-typescript"), DOCUMENT, "-o", os.path.join(GENERATED, "schema.ts"))
    tool(os.path.join(MODULES, "openapi-ts"), "--input", DOCUMENT, "--output", os.path.join(GENERATED, "hey"),
         "--client", "@hey-api/client-fetch")
    tool(os.path.join(MODULES, "tsc"), "--project", "tsconfig.json")


def generate_python():
    said = tool(os.path.join(PYTHON, "openapi-python-client"), "generate", "--path", DOCUMENT, "--config",
                "python.yaml", "--meta", "none", "--output-path", os.path.join(GENERATED, "partner"), "--overwrite", with_errors=True)
    # It knows neither lines of JSON nor encrypted messages, and says so; partners send and take those by hand.
    warnings = re.findall(r"WARNING parsing (\S+ \S+)", said)
    assert set(warnings) == {"GET /v1/admin/org/reports/{report_id}/content", "POST /v1/users/bulk"}, said
    tool(os.path.join(PYTHON, "mypy"), "--strict-optional", "typed_client.py")


def outcomes(tally, part, output):
    """Counts what a program says, one line of JSON an outcome."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert lines, f"it said nothing: {output[-300:]}"
    for line in lines:
        if line["problem"] is None:
            tally.passed += 1
            tally.say("ok", part, line["name"])
        else:
            tally.fail(part, line["name"], line["problem"])


def use(tally, part, name, *command, environment):
    """Runs a program that says outcomes; that it ends well is none of them."""
    try:
        outcomes(tally, part, tool(*command, environment=environment))
    except (AssertionError, subprocess.TimeoutExpired) as error:
        tally.fail(part, name, str(error)[-800:])


def fuzz(service, key, directory):
    """What the document allows and what it forbids, made up by schemathesis, within a minute."""
    # These could end the key that the others need, or freeze what they change; leaks are ten a minute, and GitHub's are
    # not set up; the last two take lines of JSON, which it cannot make, and requests
    # within a request, which it makes so large that the answer is 413, whatever else is wrong.
    left_out = ["rotate_tenant_key", "revoke_tenant_key", "update_tenant_key", "freeze_administration",
                "report_leak", "report_github_leaks",
                "create_users_in_bulk", "check_signature"]
    checks = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
              "response_schema_conformance", "response_headers_conformance", "negative_data_rejection",
              "ignored_auth", "unsupported_method")
    command = [os.path.join(PYTHON, "schemathesis"), "run", DOCUMENT, "--url", f"http://127.0.0.1:{service.public}",
               "--header", f"taih-tenant-key: {key}", "--checks", ",".join(checks), "--phases",
               "examples,coverage,fuzzing", "--max-examples", "15", "--max-time", "60", "--seed", "7", "--no-shrink",
               "--exclude-tag", "Not live yet", "--workers", "2", "--request-timeout", "12"]
    command += [word for name in left_out for word in ("--exclude-operation-id", name)]
    done = subprocess.run(command, cwd=directory, capture_output=True, timeout=170, text=True)
    told = re.search(r"= (ERRORS|FAILURES) =.*", done.stdout, re.DOTALL)
    assert done.returncode == 0, f"exit {done.returncode}: {(told[0] if told else done.stdout)[:4000]}"


def demo_key(service):
    with open(os.path.join(service.directory, "data", "demo.env"), encoding="utf-8") as file:
        return re.search(r"^TENANT_API_KEY=(\S+)", file.read(), re.M)[1]


def live(arguments, tally, service, stand_ins):
    def variables(org):
        return {"URL": f"http://127.0.0.1:{service.public}", "KEY": service.create_org(org)["tenant_api_key"],
                "WEBHOOK": f"{stand_ins.url}/events", "SAS": "sv=2024-11-04&sp=a&se=2099-01-01&sig=c3RhbmQtaW4%3D"}

    document = json.loads(service.ask("GET", "/openapi.json")[1])
    if arguments.node:
        for name in ("fetch", "hey"):
            use(tally, "ts", f"{name} on the service", "node", os.path.join(GENERATED, "built", f"{name}.js"),
                environment=variables(name))
    if arguments.python:
        use(tally, "python", "the client on the service", os.path.join(PYTHON, "python"), "typed_client.py",
            environment=variables("python"))
        tally.run("fuzz", "schemathesis finds nothing", fuzz, service, variables("fuzz")["KEY"], service.directory)

    def send_examples():
        problems = examples.send_all(document, examples.Demo(service, demo_key(service)))
        assert not problems, "; ".join(problems)

    tally.run("http", "every example of the document works for the demo org", send_examples)


def walk(arguments, directory, tally, children):
    shutil.rmtree(GENERATED, ignore_errors=True)
    os.makedirs(GENERATED)
    if arguments.node:
        tally.run("lint", "redocly has no error and no warning", lint_redocly)
        tally.run("lint", "spectral has no error and no warning", lint_spectral)
        tally.run("ts", "two generators, and tsc --strict", generate_typescript)
    else:
        tally.skip("ts", "two linters, two generators", "node or the packages of npm are not here")
    if arguments.python:
        tally.run("python", "a generator, and mypy", generate_python)
    else:
        tally.skip("python", "a generator and schemathesis", "the packages of PyPI are not here")
    stand_ins = StandIns()
    children.append(stand_ins)
    [closed] = free_ports(1)
    nobody = f"http://127.0.0.1:{closed}"
    service = Service(arguments.bin, directory, {
        "ALLOW_PRIVATE_TARGETS": "true", "STORAGE_QUEUE_ENDPOINT": stand_ins.url, "SQS_ENDPOINT": nobody,
        "STS_ENDPOINT": nobody, "AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "own-secret"})
    children.append(service)
    service.wait_until_ready()
    live(arguments, tally, service, stand_ins)


if __name__ == "__main__":
    run_part(walk, flags=["--node", "--python"])
