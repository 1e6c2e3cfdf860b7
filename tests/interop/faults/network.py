"""A network between the service and Postgres that can swallow what is sent."""

import os
import select
import socket
import threading

PORT = 5432


class Network:
    """Forwards a Unix socket to Postgres's. What was open when it swallows hangs for good; what is new gets through."""

    def __init__(self, directory, postgres):
        os.makedirs(directory)
        self.directory, self.target = directory, os.path.join(postgres.directory, f".s.PGSQL.{PORT}")
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(os.path.join(directory, f".s.PGSQL.{PORT}"))
        self.door.listen(200)
        self.lines, self.swallowed = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.door.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self.target)
            except OSError:
                near.close()
                continue
            line = Line(near, far)
            self.lines.append(line)
            threading.Thread(target=line.forward, daemon=True).start()

    def lead_to(self, directory):
        """New connections go to the Postgres in that directory; those that are open stay where they are."""
        self.target = os.path.join(directory, f".s.PGSQL.{PORT}")

    def cut(self):
        """Ends every connection that is open."""
        for line in self.lines:
            line.cut()

    def swallow(self):
        """As when the machine of the database is gone and its address is another's: nobody says goodbye."""
        gone = [line for line in self.lines if not line.ended]
        for line in gone:
            line.is_dead = True
        self.swallowed += gone
        return len(gone)

    def still_open(self):
        """How many of the swallowed connections the service has not given up."""
        return sum(not line.is_left() for line in self.swallowed)

    def close(self):
        self.door.close()


class Line:
    def __init__(self, near, far):
        self.near, self.far, self.is_dead, self.ended = near, far, False, False

    def forward(self):
        other = {self.near: self.far, self.far: self.near}
        while not self.is_dead:
            for end in select.select(list(other), [], [], 0.05)[0]:
                if self.is_dead:
                    return
                try:
                    data = end.recv(65536)
                    other[end].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    self.ended = True
                    self.near.close()
                    self.far.close()
                    return

    def cut(self):
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def is_left(self):
        """Whether the service has closed its end; what it sent before that is dropped."""
        self.near.setblocking(False)
        try:
            while data := self.near.recv(65536):
                pass
            return not data
        except BlockingIOError:
            return False
        except OSError:
            return True
