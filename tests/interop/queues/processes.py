"""A child on a loopback port: started, waited for, ended."""

import os
import socket
import subprocess
import time


class Child:
    def __init__(self, name, command, port, directory):
        self.name, self.port = name, port
        self.log = os.path.join(directory, f"{name}.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, stdin=subprocess.DEVNULL)

    def wait_until_listening(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        self.stop()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"{self.name} did not start: {log.read()[-800:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
