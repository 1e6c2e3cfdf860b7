"""Runs ./dev in made-up machines: which programs there are, who calls, what a terminal answers. Started by ./run."""

import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))  # for lib/

from lib.tally import Tally

DEV = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../dev"))
# What ./dev itself is made of.
TOOLS = ("bash", "sh", "sed", "dirname", "cat", "mkdir", "touch", "chmod")
APT = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql"
LINES = {
    "apt-get": APT, "dnf": "dnf install -y postgresql-server", "apk": "apk add postgresql",
    "pacman": "pacman -Sy --needed --noconfirm postgresql", "zypper": "zypper --non-interactive install postgresql-server",
    "brew": "brew install postgresql@17",
}


class Machine:
    """A PATH of stubs that write down how they were called."""

    def __init__(self, directory, programs=(), uid=0, installs=True, compiler=True):
        self.directory = tempfile.mkdtemp(dir=directory)
        self.bin, self.root, self.calls = (os.path.join(self.directory, name) for name in ("bin", "root", "calls"))
        os.makedirs(self.bin), os.makedirs(self.root)
        for tool in TOOLS:
            os.symlink(shutil.which(tool), os.path.join(self.bin, tool))
        self.program("id", f"echo {uid}")
        if compiler:
            self.program("cc", "exit 0")
        place = f"{self.root}/usr/lib/postgresql/17/bin"
        made = f"mkdir -p {place} && touch {place}/initdb && chmod +x {place}/initdb" if installs else "true"
        for name in programs:
            if name == "cargo":
                self.program(name, "")
            elif name == "sudo":
                self.program(name, 'exec "$@"')
            else:
                self.program(name, f'case "$*" in *postgresql*) {made} ;; esac')

    def program(self, name, does):
        path = os.path.join(self.bin, name)
        with open(path, "w") as file:
            file.write(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{does}\n')
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def dev(self, *arguments, answer=None, **environment):
        """Exit code and what was said; with `answer`, on a terminal that types it."""
        environment = {"PATH": self.bin, "HOME": self.directory, "DEV_ROOT": self.root, **environment}
        command = [shutil.which("bash"), DEV, *arguments]
        if answer is None:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30)
            return done.returncode, done.stdout + done.stderr
        ours, theirs = pty.openpty()
        process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.write(ours, answer.encode())
        said = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side is closed
                break
            if not read:
                break
            said += read
        os.close(ours)
        return process.wait(30), said.decode().replace("\r\n", "\n")

    def called(self, *names):
        """What was called, of these programs."""
        if not os.path.exists(self.calls):
            return []
        return [line.strip() for line in open(self.calls) if line.split()[0] in names]


def expect(got, wanted):
    assert got == wanted, f"{got!r}, wanted {wanted!r}"


def nothing_missing(directory):
    machine = Machine(directory, ("apt-get", "cargo"))
    machine.program("initdb", ""), machine.program("postgres", "")
    expect(machine.dev("run", "--", "org", "list")[0], 0)
    expect(machine.dev("test", "users::", "--", "--nocapture")[0], 0)
    expect(machine.dev("run")[0], 0)
    expect(machine.called("apt-get", "cargo"), ["cargo run -- org list", "cargo test users:: -- --nocapture", "cargo run"])


def says_yes(directory):
    for answer in ("\n", "y\n", "Yes\n"):
        machine = Machine(directory, ("apt-get", "cargo"))
        code, said = machine.dev("run", "--", "serve", answer=answer)
        expect(code, 0)
        assert f"Postgres's server binaries missing, installed by: {APT}\n" in said and "run it now? [Y/n]" in said, said
        expect(machine.called("apt-get", "cargo"),
               ["apt-get update", "apt-get install -y --no-install-recommends postgresql", "cargo run -- serve"])


def says_no(directory):
    for answer in ("n\n", "no\n", "what?\n", "\x04"):
        machine = Machine(directory, ("apt-get", "cargo"))
        code, said = machine.dev("run", answer=answer)
        expect(code, 1)
        assert APT in said and "not installed" in said, said
        expect(machine.called("apt-get", "cargo"), [])


def no_terminal(directory):
    machine = Machine(directory, ("apt-get", "cargo"))
    code, said = machine.dev("test")
    expect(code, 1)
    assert "--yes installs without asking" in said and APT in said, said
    expect(machine.called("apt-get", "cargo"), [])
    expect(machine.dev("test", "--yes", "--lib")[0], 0)
    expect(machine.called("cargo"), ["cargo test --lib"])
    expect(machine.dev("setup")[0], 0)


def each_manager(directory):
    for manager, line in LINES.items():
        machine = Machine(directory, (manager, "cargo"))
        code, said = machine.dev("test", "--yes")
        expect(code, 0)
        assert f"installed by: {line}\n" in said, said
        expect(machine.called("cargo"), ["cargo test"])


def not_root(directory):
    machine = Machine(directory, ("apt-get", "sudo", "cargo"), uid=1000)
    code, said = machine.dev("test", "--yes")
    expect(code, 0)
    assert f"installed by: sudo sh -c '{APT}'\n" in said, said
    expect(machine.called("sudo", "cargo"), [f"sudo sh -c {APT}", "cargo test"])
    machine = Machine(directory, ("brew", "sudo", "cargo"), uid=501)
    expect(machine.dev("test", "--yes")[0], 0)
    expect(machine.called("sudo"), [])


def no_sudo(directory):
    machine = Machine(directory, ("dnf", "cargo"), uid=1000)
    for arguments in (("run", "--yes"), ("run",)):
        code, said = machine.dev(*arguments)
        expect(code, 1)
        assert f"there is no sudo. Type: su -c '{LINES['dnf']}'\n" in said, said
    expect(machine.called("dnf", "cargo"), [])


def unknown_system(directory):
    code, said = Machine(directory, ("cargo",)).dev("run", "--yes")
    expect(code, 1)
    assert "no package manager known here" in said and "PG_BIN" in said, said


def no_cargo(directory):
    machine = Machine(directory, ("apt-get",))
    code, said = machine.dev("run", "--yes")
    expect(code, 1)
    assert re.search(r"cargo is missing\. Install Rust 1\.\d+(\.\d+)? or later \(https://rustup\.rs\)", said), said
    expect(machine.called("apt-get"), [])
    os.makedirs(os.path.join(machine.directory, ".cargo", "bin"))
    machine.program("cargo", "")
    os.rename(os.path.join(machine.bin, "cargo"), os.path.join(machine.directory, ".cargo", "bin", "cargo"))
    expect(machine.dev("run", "--yes")[0], 0)
    expect(machine.called("cargo"), ["cargo run"])


def compiler_too(directory):
    machine = Machine(directory, ("apt-get", "cargo"), compiler=False)
    code, said = machine.dev("test", "--yes")
    expect(code, 0)
    assert "Postgres's server binaries and a C compiler missing" in said, said
    expect(machine.called("apt-get")[1], "apt-get install -y --no-install-recommends postgresql gcc libc6-dev")


def failing_installs(directory):
    machine = Machine(directory, ("apt-get", "cargo"), installs=False)
    code, said = machine.dev("run", "--yes")
    expect(code, 1)
    assert "installed, but no initdb found" in said, said
    machine.program("apt-get", "exit 100")
    code, said = machine.dev("run", "--yes")
    expect(code, 1)
    assert "that did not work" in said, said
    expect(machine.called("cargo"), [])


def told_where(directory):
    machine = Machine(directory, ("apt-get", "cargo"))
    expect(machine.dev("run", DATABASE_URL="postgres://db/x")[0], 0)
    with open(os.path.join(machine.root, ".env"), "w") as file:
        file.write("LOG=info\nDATABASE_URL=postgres://db/x\n")
    expect(machine.dev("run")[0], 0)
    with open(os.path.join(machine.root, ".env"), "w") as file:
        file.write("# DATABASE_URL=postgres://db/x\nDATABASE_URL=\n")
    expect(machine.dev("run")[0], 1)
    folder = os.path.join(machine.directory, "pg")
    os.makedirs(folder)
    machine.program("initdb", "")
    os.rename(os.path.join(machine.bin, "initdb"), os.path.join(folder, "initdb"))
    expect(machine.dev("run", PG_BIN=folder)[0], 0)
    expect(machine.called("apt-get"), [])


def usage(directory):
    machine = Machine(directory)
    code, said = machine.dev()
    expect(code, 0)
    assert "./dev run [--yes]" in said and "./dev test [--yes]" in said, said
    expect(machine.dev("build")[0], 2)


def shellcheck(_):
    done = subprocess.run(["shellcheck", DEV], capture_output=True, text=True)
    expect((done.returncode, done.stdout), (0, ""))


CHECKS = {
    "nothing missing: cargo and nothing else": nothing_missing,
    "no Postgres, a terminal that says yes": says_yes,
    "no Postgres, a terminal that says no: the line to type, and nothing done": says_no,
    "no Postgres and no terminal: --yes or nothing": no_terminal,
    "every package manager": each_manager,
    "not root: by sudo, brew without": not_root,
    "neither root nor sudo: the line to type": no_sudo,
    "an unknown system: said so": unknown_system,
    "no cargo: where Rust comes from; ~/.cargo/bin counts": no_cargo,
    "no C compiler either": compiler_too,
    "an installation that fails, or brings nothing": failing_installs,
    "DATABASE_URL and PG_BIN are believed": told_where,
    "usage": usage,
}


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="dev-walk-") as directory:
        for name, function in CHECKS.items():
            tally.run("dev", name, function, directory)
    if shutil.which("shellcheck"):
        tally.run("dev", "shellcheck finds nothing", shellcheck, None)
    else:
        tally.skip("dev", "shellcheck finds nothing", "apt-get install shellcheck")
    print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
