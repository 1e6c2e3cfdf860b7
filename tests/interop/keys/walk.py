"""Registers keys of openssl and gpg over HTTP, has secrets delivered to them, and opens those with
the tools that partners have. A delivered tenant key must authenticate."""

import argparse
import datetime
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

import hints
import proofs
import reports
from lib.service import Service
from lib.tally import Tally

# Name, primary key's algorithm and usage, subkey's algorithm; what gpg 2.2 and later can make.
CERTIFICATES = [
    ("rsa", "rsa3072", "sign", "rsa3072"),
    ("curve", "ed25519", "sign", "cv25519"),
    ("nist", "nistp256", "sign", "nistp384"),
    ("p521", "nistp521", "sign", "nistp521"),
    ("alone", "rsa2048", "sign,encr", None),
]
BITS = (2048, 3072, 4096, 8192)
# joserfc refuses a wrapped key of more than 1,024 characters.
TOO_LONG_FOR_JOSERFC = 8192


def run(*command, stdin=None, expect=0):
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120)
    assert done.returncode == expect, f"{command[0]}: exit {done.returncode}: {done.stderr.decode()[-400:]}"
    return done.stdout


def in_a_year():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=365)).isoformat()


class Partner:
    """An org of the service."""

    def __init__(self, service, name):
        made = service.create_org(name)
        self.service, self.name, self.key = service, name, made["tenant_api_key"]

    def call(self, method, path, body=None, **more):
        return self.service.call(method, path, body, key=self.key, **more)

    def register(self, kind, text, usage=("CredentialsDownload",), expect=200):
        body = {"OwnerCode": self.name, "Usage": list(usage), "Type": kind, "PublicKey": text,
                "ExpirationUtc": in_a_year()}
        return self.call("POST", "/api/v1/key", body, expect=expect, whole=True)

    def shown(self, unique_id):
        return self.call("GET", f"/api/v1/key/{unique_id}", whole=True)

    def rotate(self, unique_id, fingerprint):
        """The encrypted successor of this partner's key, which ends at once."""
        data = self.call("POST", "/v1/auth/tenant-key/rotate",
                         {"grace_period_seconds": 0, "deliver_to": "CredentialsDownload"})
        assert "new_tenant_api_key" not in data, data.keys()
        assert data["encrypted_to"]["UniqueId"] == unique_id, data["encrypted_to"]
        assert data["encrypted_to"] == {"UniqueId": unique_id, "Fingerprint": fingerprint}, data["encrypted_to"]
        return data["encrypted_secret"]

    def works_with(self, key):
        assert key.startswith("tk_") and key != self.key
        self.service.call("GET", "/v1/users", key=key, whole=True)
        self.service.call("GET", "/v1/users", key=self.key, expect=401, whole=True)


def fingerprint_of(pem):
    der = run("openssl", "pkey", "-pubin", "-outform", "DER", stdin=pem)
    return run("openssl", "dgst", "-sha256", "-r", stdin=der).split()[0].decode()


def open_with_jwcrypto(token, private, unique_id):
    from jwcrypto import jwe, jwk
    opened = jwe.JWE()
    opened.allowed_algs = ["RSA-OAEP-256", "A256GCM"]
    opened.deserialize(token, jwk.JWK.from_pem(private))
    assert opened.jose_header["kid"] == unique_id, opened.jose_header
    return opened.payload.decode()


def open_with_joserfc(token, private):
    from joserfc import jwe
    from joserfc.jwk import RSAKey
    algorithms = ["RSA-OAEP-256", "A256GCM"]
    return jwe.decrypt_compact(token, RSAKey.import_key(private), algorithms=algorithms).plaintext.decode()


def rsa_key(service, bits):
    """An openssl key, in PKCS#1 form; the delivered tenant key opens with both JOSE libraries."""
    private = run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}")
    spki = run("openssl", "pkey", "-pubout", stdin=private)
    pkcs1 = run("openssl", "rsa", "-RSAPublicKey_out", stdin=private)
    partner = Partner(service, f"rsa-{bits}")
    unique_id = partner.register("RSA", pkcs1.decode())["UniqueId"]
    shown = partner.shown(unique_id)
    assert shown["PublicKey"].encode() == spki, "not openssl's own form"
    assert shown["Fingerprint"] == fingerprint_of(spki) and shown["Algorithm"] == f"RSA-{bits}", shown
    refused = partner.register("RSA", private.decode(), expect=400)
    assert refused["Error"]["Code"] == "private_key", refused
    token = partner.rotate(unique_id, shown["Fingerprint"])
    key = open_with_jwcrypto(token, private, unique_id)
    if bits != TOO_LONG_FOR_JOSERFC:
        assert open_with_joserfc(token, private) == key
    partner.works_with(key)


class Gpg:
    """A keyring of its own."""

    def __init__(self, name):
        # Short: gpg-agent's socket lies in it.
        self.home = tempfile.mkdtemp(prefix=f"gpg-{name}-", dir="/tmp")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "all"], capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def __call__(self, *arguments, stdin=None):
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback",
                   "--passphrase", "", *arguments, stdin=stdin)

    def make(self, name, primary, usage, subkey):
        self("--quick-generate-key", f"{name} <{name}@example.com>", primary, usage, "never")
        listed = self("--with-colons", "--list-keys").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr"))
        if subkey:
            self("--quick-add-key", fingerprint, subkey, "encr", "never")
        return fingerprint


def certificate(service, name, primary, usage, subkey):
    """A gpg key; the stored certificate is good for gpg, and gpg opens the delivered tenant key."""
    with Gpg(name) as gpg, Gpg(name) as stranger:
        fingerprint = gpg.make(name, primary, usage, subkey)
        partner = Partner(service, f"pgp-{name}")
        unique_id = partner.register("PGP", gpg("--armor", "--export").decode())["UniqueId"]
        shown = partner.shown(unique_id)
        assert shown["Fingerprint"] == fingerprint, shown
        stranger("--import", stdin=shown["PublicKey"].encode())
        signatures = [line.split(":") for line in stranger("--check-sigs", "--with-colons").decode().splitlines()]
        signatures = [fields[1] for fields in signatures if fields[0] == "sig"]
        assert signatures and set(signatures) == {"!"}, signatures
        refused = partner.register("PGP", gpg("--armor", "--export-secret-keys").decode(), expect=400)
        assert refused["Error"]["Code"] == "private_key", refused
        partner.works_with(gpg("--decrypt", stdin=partner.rotate(unique_id, shown["Fingerprint"]).encode()).decode())


def signing_secret(service):
    """A signing secret made by the service, delivered to a gpg key."""
    with Gpg("signing") as gpg:
        gpg.make("signing", "ed25519", "sign", "cv25519")
        partner = Partner(service, "signing")
        unique_id = partner.register("PGP", gpg("--armor", "--export").decode())["UniqueId"]
        data = partner.call("POST", "/v1/auth/signing-secret/rotate", {"deliver_to": unique_id})
        assert "new_signing_secret" not in data, data.keys()
        secret = gpg("--decrypt", stdin=data["encrypted_secret"].encode()).decode()
        assert secret.startswith("whsec_") and len(secret) == 50, "not a signing secret"


def generated(service):
    """A pair made by the service: openssl takes the public half."""
    partner = Partner(service, "generated")
    for bits in (2048, 3072, 4096):
        body = {"OwnerCode": "generated", "Usage": ["MessageLevelEncryption"], "Type": "RSA", "Length": bits,
                "ExpirationUtc": in_a_year()}
        made = partner.call("POST", "/api/v1/key/generate", body, whole=True)
        text = run("openssl", "pkey", "-pubin", "-noout", "-text", stdin=made["Key"].encode()).decode()
        assert f"({bits} bit)" in text, text
        assert partner.shown(made["UniqueId"])["Fingerprint"] == fingerprint_of(made["Key"].encode())


def walk(arguments, service, tally):
    service.wait_until_ready()
    for bits in BITS:
        if arguments.jose:
            tally.run("rsa", f"a tenant key delivered to an RSA key of {bits} bits", rsa_key, service, bits)
        else:
            tally.skip("rsa", f"an RSA key of {bits} bits", "jwcrypto and joserfc could not be installed")
    if shutil.which("gpg"):
        for parts in CERTIFICATES:
            name = f"a tenant key delivered to a certificate: {parts[0]}"
            tally.run("pgp", name, certificate, service, *parts)
        tally.run("pgp", "a signing secret delivered to a certificate", signing_secret, service)
    else:
        tally.skip("pgp", "certificates", "gpg is not installed")
    tally.run("rsa", "pairs made by the service", generated, service)
    hints.walk(lambda name: Partner(service, name), tally, service.directory, arguments.node)
    proofs.walk(lambda name: Partner(service, name), tally, open_with_jwcrypto if arguments.jose else None)
    if arguments.jose:
        import guide
        import messages
        import messages_hostile
        import responses
        import oauth
        import signatures
        import signatures_hostile
        signatures.walk(service, tally, arguments.node)
        signatures_hostile.walk(service, tally)
        responses.walk(service, tally, arguments.node)
        messages.walk(service, tally, arguments.node)
        messages_hostile.walk(service, tally)
        oauth.walk(service, tally, arguments.node)
        guide.walk(service, tally, arguments.node)
        # Last: it kills the service.
        reports.walk(lambda name: Partner(service, name), tally, service.directory, arguments.node, arguments.full)
    else:
        tally.skip("signed", "signatures, messages, reports, docs/keys.md", "the libraries could not be installed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--jose", action="store_true", help="the libraries of requirements.txt are there")
    parser.add_argument("--node", action="store_true", help="so are those of package.json")
    parser.add_argument("--full", action="store_true", help="reports of a million users; takes minutes")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally, service = Tally(), None
    directory = tempfile.mkdtemp(prefix="keys-walk-")
    os.chmod(directory, 0o755)  # the embedded Postgres runs as another user when we are root
    try:
        service = Service(arguments.bin, directory)
        walk(arguments, service, tally)
    finally:
        if service:
            service.stop()
        if arguments.keep:
            print(f"logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main()
