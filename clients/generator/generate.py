"""Makes the generated parts of both clients. Started by ../generate."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import calls
import models

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.dirname(HERE)
DOCUMENT = os.path.join(CLIENTS, "..", "openapi", "openapi.json")
STAMP = "openapi.sha256"
PACKAGE = "python/src/partner_api"
SCHEMA = "typescript/src/generated/schema.ts"


def typescript(directory):
    tool = os.path.join(CLIENTS, "typescript", "node_modules", ".bin", "openapi-typescript")
    target = os.path.join(directory, "schema.ts")
    # A field with a default may be left out of a request.
    run(tool, DOCUMENT, "--output", target, "--default-non-nullable=false")
    return {SCHEMA: read(target)}


def python(document, directory):
    kept = calls.operations(document)
    prepared = models.prepare(document, kept)
    source, target = (os.path.join(directory, name) for name in ("openapi.json", "models.py"))
    with open(source, "w", encoding="utf-8") as file:
        json.dump(prepared, file)
    run(os.path.join(CLIENTS, "python", ".venv", "bin", "datamodel-codegen"), "--input", source, "--output", target,
        *models.OPTIONS)
    return {
        f"{PACKAGE}/models.py": models.finish(read(target)),
        f"{PACKAGE}/api.py": calls.module(document, kept),
        f"{PACKAGE}/_codes.py": calls.codes(document),
        f"{PACKAGE}/_events.py": models.events(document),
    }


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{os.path.basename(command[0])}: {(done.stdout + done.stderr)[-2000:]}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def stamp():
    with open(DOCUMENT, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() + "\n"


def check(made):
    """The names of the files that are not as they would be made now."""
    stale = []
    for name, text in made.items():
        path = os.path.join(CLIENTS, name)
        if not os.path.exists(path) or read(path) != text:
            stale.append(f"clients/{name}")
    return stale


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--missing", help="why the generators cannot be run")
    arguments = parser.parse_args()
    made = {STAMP: stamp()}
    if arguments.missing and not arguments.check:
        sys.exit(arguments.missing)
    if not arguments.missing:
        with tempfile.TemporaryDirectory(prefix="clients-") as directory:
            made |= typescript(directory)
            made |= python(json.loads(read(DOCUMENT)), directory)
    if arguments.check:
        stale = check(made)
        if stale:
            sys.exit(f"stale: {', '.join(stale)}; make them anew with clients/generate")
        print(f"SKIPPED: what was generated: {arguments.missing}" if arguments.missing else "the clients are fresh")
        return
    for name, text in made.items():
        with open(os.path.join(CLIENTS, name), "w", encoding="utf-8") as file:
            file.write(text)


main()
