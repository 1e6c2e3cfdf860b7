"""Three machines, played by network namespaces where those may be made: a node can be cut off for real."""

import subprocess

from service import free_ports

NETWORK, HUB = "10.77.0", 1


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout.decode()[-200:]}"


class Apart:
    """We are in a network namespace of our own (./run); what all share lives here: etcd, HAProxy, the service."""

    can_cut, network = True, f"{NETWORK}.0/24"

    def __init__(self):
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "name", "hub", "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.{HUB}/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        self.shared = f"{NETWORK}.{HUB}"

    def machine(self, number):
        return Machine(number)


class Machine:
    """A namespace that lasts as long as the process that has it; its address, and its cable to all others."""

    def __init__(self, number):
        self.address, self.port, self.rest, self.cable = f"{NETWORK}.{10 + number}", 5432, 8008, f"cable{number}"
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        self.inside = ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net"]
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.keeper.pid))
        run(*self.inside, "ip", "link", "set", "lo", "up")
        run(*self.inside, "ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        run(*self.inside, "ip", "link", "set", "eth0", "up")
        run("ip", "link", "set", self.cable, "up")
        self.mend()

    def command(self, account, command):
        """The command as it runs on this machine, as the account."""
        return [*self.inside, "setpriv", f"--reuid={account['user']}", f"--regid={account['group']}", "--clear-groups", *command]

    def cut(self):
        """What is sent from now on vanishes, in both directions; nobody is told."""
        run("ip", "link", "set", self.cable, "nomaster")

    def mend(self):
        run("ip", "link", "set", self.cable, "master", "hub")

    def stop(self):
        self.keeper.kill()
        self.keeper.wait()


class Together:
    """All on loopback: nobody can be cut off."""

    can_cut, network, shared = False, "127.0.0.0/8", "127.0.0.1"

    def machine(self, number):
        return Loopback()


class Loopback:
    def __init__(self):
        self.address, (self.port, self.rest) = "127.0.0.1", free_ports(2)

    def command(self, account, command):
        if not account:
            return command
        return ["setpriv", f"--reuid={account['user']}", f"--regid={account['group']}", "--clear-groups", *command]

    def mend(self):
        pass

    def stop(self):
        pass
