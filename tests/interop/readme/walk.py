"""Types the README's walk into a shell and compares what comes."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
from lib.service import Service, free_ports  # noqa: E402
from lib.tally import Tally  # noqa: E402

README = os.path.join(HERE, "..", "..", "..", "README.md")
END = "--- end of answer ---"
# What differs from one run to the next.
VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<instant>"),
    (r"tk_test_[0-9A-Za-z]+", "<key>"),
    (r"evt_[0-9a-f]{32}", "<event>"),
    (r'"(waiting_events|total|version)":\d+', r'"\1":<n>'),
    (r'"status":"(created|exists)"', '"status":"<there>"'),
    (r'("data":\[\{"user_id":"<id>","created_at":"<instant>"\})(,\{[^}]*\})*\]', r"\1]"),
)


def steps(text):
    """Commands, each with the lines that answer it; of a plain `sh` block there are none."""
    section = text.split("## The first five minutes")[1].split("\n## ")[0]
    for kind, block in re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL):
        if kind == "sh":
            yield block, None
            continue
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = step.partition("\n")
            yield command + "\n", answer.splitlines()


def alike(line):
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line


def typed(shell, command):
    shell.stdin.write(f"{command}\n{{ echo; echo '{END}'; }} 2>/dev/null\n")
    shell.stdin.flush()
    lines = []
    while (line := shell.stdout.readline()) and line.strip() != END:
        lines.append(line.rstrip("\r\n"))
    assert line, f"the shell ended after: {command}"
    return [line for line in lines if line.strip()]


def walk(text, binary, service, receiver, directory):
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{service.public}").replace("9000", str(receiver))
    text = text.replace("cargo run -q --", binary).replace("./.data", os.path.join(directory, "data"))
    shell = subprocess.Popen(["bash", "-m"], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, env={"PATH": os.environ["PATH"], "DATA_DIR": os.path.join(directory, "data")})
    compared = 0
    try:
        typed(shell, "curl() { command curl -sS \"$@\"; }")
        for command, answer in steps(text):
            came = typed(shell, command)
            if answer is None:
                continue
            # Of a head only the first line is shown.
            came = came[:len(answer)] if "curl -i" in command else came
            shown = [alike(line) for line in answer if line.strip()]
            came = [alike(line) for line in came if not re.match(r"\[\d\]", line)]
            assert came == shown, f"after {command.strip()[:120]}\ncame  {came}\nshown {shown}"
            compared += 1
    finally:
        typed(shell, "kill $(jobs -p) 2>/dev/null")
        shell.stdin.close()
        shell.kill()
        shell.wait()
    print(f"         {compared} commands answered as shown")


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
