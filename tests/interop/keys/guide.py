"""docs/keys.md, typed as it stands: its commands, and its code in Python and JavaScript."""

import os
import shutil
import sys
import tempfile

from lib.typed import Shell

HERE = os.path.dirname(os.path.abspath(__file__))
GUIDE = os.path.join(HERE, "..", "..", "..", "docs", "keys.md")
TOOLS = ("bash", "curl", "jq", "openssl", "gpg", "node")


def typed(service):
    with open(GUIDE) as file:
        text = file.read()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service.public}").replace("./.data", service.environment["DATA_DIR"])
    directory = tempfile.mkdtemp(prefix="guide-")
    os.symlink(os.path.join(HERE, "node_modules"), os.path.join(directory, "node_modules"))
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    shell = Shell(directory, {"PATH": path, "HOME": directory, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        print(f"         {shell.walk(text)} commands answered as shown")
    finally:
        shell.type('[ -z "$GNUPGHOME" ] || { gpgconf --kill all; rm -rf "$GNUPGHOME"; }')
        shell.close()
        shutil.rmtree(directory, ignore_errors=True)


def walk(service, tally, has_node):
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or not has_node:
        tally.skip("guide", "docs/keys.md", f"{', '.join(missing) or 'its npm packages'} not installed")
    else:
        tally.run("guide", "docs/keys.md does what it says", typed, service)
