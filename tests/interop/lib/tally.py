"""Counts and prints the outcomes of checks."""

import traceback


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def say(self, outcome, part, name, why=""):
        print(f"{outcome:8} {part:6} {name}{': ' + why if why else ''}", flush=True)

    def skip(self, part, name, why):
        self.skipped += 1
        self.say("SKIPPED:", part, name, why)

    def fail(self, part, name, why):
        self.failed += 1
        self.say("FAILED", part, name, why)

    def run(self, part, name, function, *arguments):
        try:
            function(*arguments)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            detail = str(error) or frame.line
            self.fail(part, name, f"{type(error).__name__} at {frame.name}:{frame.lineno}: {detail[:600]}")
        else:
            self.passed += 1
            self.say("ok", part, name)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"
