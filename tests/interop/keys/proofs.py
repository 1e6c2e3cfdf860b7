"""Challenges (contract 12.5) answered with the tools that partners have, as they would type it: openssl signs, and gpg,
sq and jwcrypto open what was encrypted. A wrong answer proves nothing."""

import os
import shutil
import subprocess
import tempfile

SIGN = "openssl dgst -sha512 -sign key.pem -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64"
NEW_KEY = "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem; openssl pkey -in key.pem -pubout"
GPG = "gpg --homedir . --batch --quiet --no-tty --pinentry-mode loopback --passphrase ''"
NEW_GPG = f"{GPG} --quick-generate-key 'Ada <ada@example.com>' future-default default never; {GPG} --armor --export"
NEW_SQ = "sq key generate --userid '<ada@example.com>' --export key.pgp; sq key extract-cert key.pgp"


def shell(directory, command, **variables):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=directory, env={**os.environ, **variables},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stderr[-400:]}"
    return done.stdout


class Challenged:
    """A key of a partner's, made by a command in a directory of its own, that is to be proven."""

    def __init__(self, partner, kind, usage, make):
        self.partner = partner
        # Short: gpg-agent's socket lies in it.
        self.directory = tempfile.mkdtemp(prefix="proof-", dir="/tmp")
        self.unique_id = partner.register(kind, shell(self.directory, make), usage)["UniqueId"]
        assert self.proven_utc() is None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["gpgconf", "--homedir", self.directory, "--kill", "all"], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, step):
        return f"/api/v1/key/{self.unique_id}/{step}"

    def ask(self):
        asked = self.partner.call("POST", self.path("challenge"), whole=True)
        assert sorted(asked) == ["Challenge", "ExpiresUtc", "UniqueId"], asked
        return asked["Challenge"]

    def answer(self, response, expect=200):
        return self.partner.call("POST", self.path("proof"), {"Response": response}, expect=expect, whole=True)

    def proven_utc(self):
        return self.partner.shown(self.unique_id)["ProvenUtc"]

    def is_proven_by(self, answer):
        """By what `answer` makes of the challenge, and by nothing of another one."""
        stale = answer(self.ask())
        challenge = self.ask()
        refused = self.answer(stale, expect=400)["Error"]
        assert refused["Code"] == "proof_failed" and "tries left: 4" in refused["ExtraData"]["Response"], refused
        assert self.proven_utc() is None
        proven = self.answer(answer(challenge))
        assert proven == {"UniqueId": self.unique_id, "ProvenUtc": self.proven_utc()} and proven["ProvenUtc"], proven
        listed = self.partner.call("GET", f"/api/v1/key/list/{self.partner.name}", whole=True)["Items"]
        assert [key["ProvenUtc"] for key in listed] == [proven["ProvenUtc"]], listed


def openssl_signs(partner, print_challenge):
    with Challenged(partner, "RSA", ["Authentication"], NEW_KEY) as key:
        command = f"{print_challenge} | {SIGN} | openssl base64"
        key.is_proven_by(lambda challenge: shell(key.directory, command, CHALLENGE=challenge))


def gpg_opens(partner):
    with Challenged(partner, "PGP", ["CredentialsDownload"], NEW_GPG) as key:
        key.is_proven_by(lambda message: shell(key.directory, f'echo "$CHALLENGE" | {GPG} --decrypt', CHALLENGE=message))


def sq_opens(partner):
    with Challenged(partner, "PGP", ["Reports"], NEW_SQ) as key:
        # Its versions name the option differently.
        option = next(option for option in ("--recipient-file", "--recipient-key", "--secret-key-file")
                      if option in shell(key.directory, "sq decrypt --help"))
        command = f'echo "$CHALLENGE" | sq decrypt {option} key.pgp'
        key.is_proven_by(lambda message: shell(key.directory, command, CHALLENGE=message))


def jwcrypto_opens(partner, open_jwe):
    with Challenged(partner, "RSA", ["MessageLevelEncryption", "Authentication"], NEW_KEY) as key:
        with open(os.path.join(key.directory, "key.pem"), "rb") as file:
            private = file.read()
        key.is_proven_by(lambda message: open_jwe(message, private, key.unique_id))


def selection(partner):
    """Which key would be used, before and after another one is registered."""
    def selected(at=""):
        items = partner.call("GET", f"/api/v1/key/selection/{partner.name}{at}", whole=True)["Items"]
        return next(item for item in items if item["Usage"] == "CredentialsDownload")
    with tempfile.TemporaryDirectory(prefix="proof-", dir="/tmp") as directory:
        assert selected()["Reason"] == "no key was registered", selected()
        first, second = (partner.register("RSA", shell(directory, NEW_KEY))["UniqueId"] for _ in range(2))
    assert selected()["UniqueId"] == second and "last of 2" in selected()["Reason"], selected()
    partner.call("DELETE", f"/api/v1/key/{second}", expect=204)
    assert selected()["UniqueId"] == first and selected()["Reason"] == "the only live key", selected()
    assert selected("?at=2099-01-01T00:00:00Z")["UniqueId"] is None


def walk(partner_of, tally, open_jwe):
    """`open_jwe` opens with jwcrypto; none where it could not be installed."""
    tally.run("proof", "openssl signs a challenge", openssl_signs, partner_of("proof-openssl"), 'printf %s "$CHALLENGE"')
    tally.run("proof", "openssl signs a line", openssl_signs, partner_of("proof-line"), 'echo "$CHALLENGE"')
    for tool, check in (("gpg", gpg_opens), ("sq", sq_opens)):
        if shutil.which(tool):
            tally.run("proof", f"{tool} opens a challenge", check, partner_of(f"proof-{tool}"))
        else:
            tally.skip("proof", f"{tool} opens a challenge", f"{tool} is not installed")
    if open_jwe:
        tally.run("proof", "jwcrypto opens a challenge", jwcrypto_opens, partner_of("proof-jwcrypto"), open_jwe)
    else:
        tally.skip("proof", "jwcrypto opens a challenge", "jwcrypto could not be installed")
    tally.run("proof", "which key is used", selection, partner_of("proof-selection"))
