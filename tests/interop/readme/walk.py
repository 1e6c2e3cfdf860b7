"""Types the README's walk into a shell and compares what comes."""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from lib.service import Service, free_ports  # noqa: E402
from lib.tally import Tally  # noqa: E402
from lib.typed import Shell  # noqa: E402

README = os.path.join(HERE, "..", "..", "..", "README.md")


def walk(text, binary, service, receiver, directory):
    text = text.split("## The first five minutes")[1].split("\n## ")[0]
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service.public}").replace("9000", str(receiver))
    text = text.replace("cargo run -q --", binary).replace("./.data", os.path.join(directory, "data"))
    shell = Shell(directory, {"DATA_DIR": os.path.join(directory, "data")})
    try:
        print(f"         {shell.walk(text)} commands answered as shown")
    finally:
        shell.close()


def main():
    binary, tally = sys.argv[1], Tally()
    directory = tempfile.mkdtemp(prefix="readme-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    with open(README) as readme:
        text = readme.read()
    (receiver,) = free_ports(1)
    service = Service(binary, directory, environment={"ALLOW_PRIVATE_TARGETS": "true"})
    try:
        for time in ("the first time", "after a restart"):
            service.wait_until_ready()
            tally.run("readme", f"the first five minutes, {time}", walk, text, binary, service, receiver, directory)
            service.stop()
            service.start()
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
