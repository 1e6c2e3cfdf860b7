"""Types a document's blocks into a shell, as a reader would, and compares what comes with what is shown."""

import os
import re
import subprocess

END = "--- end of answer ---"
# What differs from one run to the next.
VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<instant>"),
    (r"tk_(test|live)_[0-9A-Za-z]+", "<key>"),
    (r"evt_[0-9a-f]{32}", "<event>"),
    (r"\b[0-9a-f]{64}\b", "<sha256>"),
    (r"nonce [\w-]{43}", "nonce <random>"),
    (r'"(waiting_events|total|version)":\d+', r'"\1":<n>'),
    # Of the last hour, which has seen an attempt or none.
    (r'"(success_rate_1h|p95_ms_1h)":(null|[\d.]+)', r'"\1":<n>'),
    (r'"status":"(created|exists)"', '"status":"<there>"'),
    (r'("data":\[\{"user_id":"<id>","created_at":"<instant>"\})(,\{[^}]*\})*\]', r"\1]"),
)


def steps(text):
    """Commands, each with the lines that answer it; of a plain `sh` block there are none.

    A block below `<!-- file: NAME -->` is written to that file. One below `*Not run: why.*`, which its reader sees, is
    only for reading, and one below `<!-- run by PART -->` is run elsewhere.
    """
    marked = r"(?:(?:<!-- ([^\n]*) -->|(\*Not run: [^\n]*\*))\n)?^```(\w+)\n(.*?)^```"
    for mark, is_not_run, kind, block in re.findall(marked, text, re.DOTALL | re.MULTILINE):
        if is_not_run or mark.startswith("run by "):
            continue
        if mark.startswith("file: "):
            yield f"cat > {mark.removeprefix('file: ')} <<'END OF FILE'\n{block}END OF FILE\n", None
        elif kind == "sh":
            yield block, None
        elif kind == "console":
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                lines = step.splitlines()
                end = next((n for n, line in enumerate(lines) if not line.endswith(("\\", " |"))), len(lines) - 1)
                yield "\n".join(lines[:end + 1]) + "\n", lines[end + 1:]


def alike(line):
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line


class Shell:
    """A bash in `directory`; `environment` is all that it has."""

    def __init__(self, directory, environment):
        self.process = subprocess.Popen(["bash", "-m"], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env={"PATH": os.environ["PATH"], **environment})
        self.type('curl() { command curl -sS "$@"; }')

    def type(self, command):
        """The lines that a command answers, without blank ones."""
        self.process.stdin.write(f"{command}\n{{ echo; echo '{END}'; }} 2>/dev/null\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) and line.strip() != END:
            lines.append(line.rstrip("\r\n"))
        assert line, f"the shell ended after: {command}"
        return [line for line in lines if line.strip()]

    def walk(self, text):
        """Does what the text says; the number of answers that were as shown."""
        compared = 0
        for command, answer in steps(text):
            came = self.type(command)
            if answer is None:
                continue
            # Of a head only the first line is shown.
            came = came[:len(answer)] if "curl -i" in command else came
            shown = [alike(line) for line in answer if line.strip()]
            came = [alike(line) for line in came if not re.match(r"\[\d\]", line)]
            assert came == shown, f"after {command.strip()[:120]}\ncame  {came}\nshown {shown}"
            compared += 1
        return compared

    def close(self):
        self.type("kill $(jobs -p) 2>/dev/null")
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
