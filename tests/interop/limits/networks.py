"""Networks and addresses, as Python's `ipaddress` judges them, for a test of the service's own library."""

import ipaddress
import os
import random
import shutil
import subprocess

PAIRS = 100_000
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
EDGES4 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x0A000000, 0x0AFFFFFF, 0xCB007109)
EDGES6 = (0, 1, (1 << 127) - 1, 1 << 127, (1 << 128) - 1, 0x20010DB8 << 96, 0xFFFF << 32, (0xFFFF << 32) - 1, (0x10000 << 32))


def judged(network, address):
    """`in`, `out` or `refused`, where IPv4 in IPv6 is IPv4 (the service's rule, which `ipaddress` leaves to us)."""
    try:
        parsed = ipaddress.ip_network(network, strict=True)
    except ValueError:
        return "refused"
    if parsed.version == 6 and parsed.network_address.ipv4_mapped is not None:
        if parsed.prefixlen < 96:
            # `::ffff:0:0/95` and shorter have bits of the mapping behind their length.
            return "refused"
        parsed = ipaddress.ip_network((int(parsed.network_address.ipv4_mapped), parsed.prefixlen - 96))
    client = ipaddress.ip_address(address)
    if client.version == 6 and client.ipv4_mapped is not None:
        client = client.ipv4_mapped
    return "in" if client.version == parsed.version and client in parsed else "out"


def number(chance, width):
    if chance.random() < 0.3:
        return chance.choice(EDGES4 if width == 32 else EDGES6)
    return chance.getrandbits(width)


def written(chance, version, value):
    if version == 4:
        address = ipaddress.IPv4Address(value)
        return chance.choice((str(address), f"::ffff:{address}")) if chance.random() < 0.3 else str(address)
    address = ipaddress.IPv6Address(value)
    return chance.choice((address.compressed, address.exploded, address.exploded.upper()))


def pair(chance):
    version = chance.choice((4, 6))
    width = 32 if version == 4 else 128
    bits = chance.choice((0, 1, width - 1, width)) if chance.random() < 0.2 else chance.randint(0, width)
    value = number(chance, width)
    # Mostly a network; now and then with bits behind its length, or too long.
    base = value if chance.random() < 0.1 else value >> (width - bits) << (width - bits)
    text = written(chance, version, base)
    bits = bits + 96 if version == 4 and ":" in text else bits
    bits += chance.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 200)) if chance.random() < 0.2 else 0
    network = text if chance.random() < 0.1 else f"{text}/{bits}"
    # An address in it, beside it, or anywhere.
    if chance.random() < 0.6:
        low = width - min(bits if width == 128 or ":" not in text else bits - 96, width)
        inside = base ^ (chance.getrandbits(low) if low > 0 else 0)
        near = inside ^ (1 << chance.randrange(width)) if chance.random() < 0.4 else inside
        return network, written(chance, version, near & ((1 << width) - 1))
    other = chance.choice((4, 6))
    return network, written(chance, other, number(chance, 32 if other == 4 else 128))


def agree(directory):
    seed = random.SystemRandom().getrandbits(64)
    chance = random.Random(seed)
    path, outcomes = os.path.join(directory, "pairs"), {"in": 0, "out": 0, "refused": 0}
    with open(path, "w") as file:
        for _ in range(PAIRS):
            network, address = pair(chance)
            outcome = judged(network, address)
            outcomes[outcome] += 1
            file.write(f"{network} {address} {outcome}\n")
    assert min(outcomes.values()) > PAIRS // 50, outcomes
    done = subprocess.run(
        ["cargo", "test", "--quiet", "--lib", "--", "--ignored", "--exact", "--nocapture",
         "network::tests::pairs_are_judged_as_another_library_does"],
        cwd=ROOT, env={**os.environ, "NETWORK_PAIRS": path}, capture_output=True, text=True)
    assert done.returncode == 0 and f"{PAIRS} pairs" in done.stdout, f"seed {seed}: {(done.stdout + done.stderr)[-600:]}"
    print(f"         {PAIRS} pairs: {outcomes}")


def missing():
    return None if shutil.which("cargo") else "cargo is not installed"
