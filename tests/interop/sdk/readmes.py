"""A README's examples as one program, so that they are tried as they stand."""

import re


def blocks(text, kind):
    """The code of one kind, but for what is marked as not run."""
    found = re.findall(r"(?:<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [code for mark, each, code in found if each == kind and mark != "not run"]


def python_program(text):
    """One after the other, as somebody would type them."""
    return "\n\n".join(blocks(text, "python"))


def typescript_program(text):
    """One after the other; what is exported or imported twice is so once."""
    imports, rest = [], []
    for block in blocks(text, "ts"):
        for line in block.splitlines():
            target = imports if line.startswith("import ") else rest
            if target is rest or line not in imports:
                target.append(line)
    return "\n".join([*imports, "", *rest, ""])
