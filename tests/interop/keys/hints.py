"""Keys that are refused, and what happens to whoever does as the refusal says: each command stands in the
reason word for word, is run as it stands there, and what it prints is accepted."""

import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem && openssl pkey -in key.pem -pubout"
RSA = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null"

# What; the tools it takes; how the bad key is made; its Code; a word of the reason; the command in it.
RSA_CASES = [
    ("a certificate", "openssl", f"{RSA}; openssl req -x509 -key key.pem -subj /CN=x -out certificate.pem; cat certificate.pem",
     "invalid_request", "certificate", "openssl x509 -in certificate.pem -pubkey -noout"),
    ("a certificate request", "openssl", f"{RSA}; openssl req -new -key key.pem -subj /CN=x -out request.pem; cat request.pem",
     "invalid_request", "request", "openssl req -in request.pem -pubkey -noout"),
    ("a bundle of certificates", "openssl",
     f"{RSA}; openssl req -x509 -key key.pem -subj /CN=x -out c.pem; openssl crl2pkcs7 -nocrl -certfile c.pem -out bundle.pem; "
     "cat bundle.pem", "invalid_request", "bundle",
     "openssl pkcs7 -in bundle.pem -print_certs | openssl x509 -pubkey -noout"),
    ("an ssh-rsa key", "ssh-keygen", "ssh-keygen -q -t rsa -b 3072 -N '' -f key; cat key.pub",
     "invalid_request", "OpenSSH", "ssh-keygen -e -m PKCS8 -f key.pub"),
    ("an ssh-rsa key of RFC 4716", "ssh-keygen",
     "ssh-keygen -q -t rsa -b 3072 -N '' -f key; mv key.pub o.pub; ssh-keygen -e -f o.pub > key.pub; cat key.pub",
     "invalid_request", "RFC 4716",
     "ssh-keygen -i -m RFC4716 -f key.pub > openssh.pub && ssh-keygen -e -m PKCS8 -f openssh.pub"),
    ("an ssh-ed25519 key", "ssh-keygen openssl", "ssh-keygen -q -t ed25519 -N '' -f k; cat k.pub",
     "invalid_request", "only RSA", MAKE),
    ("an elliptic curve key", "openssl",
     "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout", "invalid_request",
     "elliptic curve", MAKE),
    ("an Ed25519 key", "openssl", "openssl genpkey -algorithm ED25519 | openssl pkey -pubout", "invalid_request",
     "Ed25519", MAKE),
    ("a key for RSA-PSS only", "openssl", "openssl genpkey -algorithm RSA-PSS 2>/dev/null | openssl pkey -pubout",
     "invalid_request", "RSA-PSS", MAKE),
    ("a short key", "openssl", "openssl genrsa 1024 2>/dev/null | openssl rsa -pubout 2>/dev/null", "weak_key", "2048", MAKE),
    ("a small exponent", "openssl",
     "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_pubexp:3 2>/dev/null | openssl pkey -pubout", "weak_key",
     "exponent", MAKE),
    ("openssl's description", "openssl", f"{RSA}; openssl rsa -in key.pem -pubout 2>/dev/null | openssl rsa -pubin -noout -text",
     "invalid_request", "description", "openssl pkey -in key.pem -pubout"),
    ("hex of DER", "openssl basenc", f"{RSA}; openssl rsa -in key.pem -pubout -outform DER 2>/dev/null | basenc --base16 | "
     "tee key.hex", "invalid_request", "hex", "tr -d ' :\\n' < key.hex | tr a-f A-F | basenc -d --base16 | base64"),
    ("base64 of PEM", "openssl base64", f"{RSA}; openssl rsa -in key.pem -pubout 2>/dev/null | base64 | tee key.b64",
     "invalid_request", "base64 of PEM", "base64 -d key.b64"),
    ("a JSON Web Key", "openssl node",
     f"{RSA}; openssl rsa -in key.pem -pubout 2>/dev/null > p.pem; node -e 'console.log(JSON.stringify(crypto.createPublicKey("
     "fs.readFileSync(\"p.pem\")).export({format: \"jwk\"})))' | tee key.jwk", "invalid_request", "JSON Web Key", None),
    ("a set of them", "openssl node",
     f"{RSA}; openssl rsa -in key.pem -pubout 2>/dev/null > p.pem; node -e 'console.log(JSON.stringify({{keys: ["
     "crypto.createPublicKey(fs.readFileSync(\"p.pem\")).export({format: \"jwk\"})]}))' | tee keys.json".replace("{{", "{"),
     "invalid_request", "set of JSON Web Keys", None),
]

EXPORT = "gpg --armor --export FINGERPRINT"
NEW = "gpg --quick-generate-key \"NAME <EMAIL>\" future-default default 3y"
ADD = "gpg --quick-add-key FINGERPRINT cv25519 encr 3y"
OLD = "--faked-system-time 20260101T000000"
WEAK = "--cert-digest-algo SHA1 --allow-weak-key-signatures"
# What; how it is made from a keyring, with `$F` for the fingerprint; Code; a word of the reason; the command in it.
PGP_CASES = [
    ("expired", f"$G {OLD} --quick-generate-key a ed25519 sign 2026-02-01; $G {OLD} --quick-add-key $(F) cv25519 encr never; "
     "$G --armor --export", "invalid_request", "expired on 2026-02-01T", "gpg --quick-set-expire FINGERPRINT 3y"),
    ("an expired subkey", f"$G {OLD} --quick-generate-key a ed25519 sign never; $G {OLD} --quick-add-key $(F) cv25519 encr "
     "2026-02-01; $G --armor --export", "invalid_request", "expired on 2026-02-01T", ADD),
    ("a primary key that ends too soon", "$G --quick-generate-key a ed25519 sign 30d; $G --quick-add-key $(F) cv25519 encr never; "
     "$G --armor --export", "invalid_request", "ExpirationUtc, which may be at most 20", "gpg --quick-set-expire FINGERPRINT 4y"),
    ("a subkey that ends too soon", "$G --quick-generate-key a ed25519 sign never; $G --quick-add-key $(F) cv25519 encr 30d; "
     "$G --armor --export", "invalid_request", "ExpirationUtc, which may be at most 20",
     "gpg --quick-set-expire FINGERPRINT 4y '*'"),
    ("signed with SHA-1", f"$G {WEAK} --quick-generate-key a rsa2048 sign never; $G --quick-add-key $(F) cv25519 encr never; "
     "$G --armor --export", "weak_key", "SHA-1", "gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 3y"),
    ("a subkey bound with SHA-1", f"$G --quick-generate-key a rsa2048 sign never; $G {WEAK} --quick-add-key $(F) rsa2048 encr never; "
     "$G --armor --export", "weak_key", "bound with SHA-1",
     "gpg --cert-digest-algo SHA512 --quick-set-expire FINGERPRINT 3y '*'"),
    ("no subkey", "$G --quick-generate-key a ed25519 sign never; $G --armor --export", "invalid_request", "no valid subkey", ADD),
    ("a subkey to sign", "$G --quick-generate-key a ed25519 sign never; $G --quick-add-key $(F) ed25519 sign never; $G --armor "
     "--export", "invalid_request", "key flags", ADD),
    ("brainpool", "$G --quick-generate-key a brainpoolP256r1 sign never; $G --armor --export", "invalid_request",
     "P-256, P-384 and P-521", NEW),
    ("DSA", "$G --quick-generate-key a dsa2048 sign never; $G --armor --export", "weak_key", "DSA", NEW),
    ("revoked", "$G --quick-generate-key a future-default default never; sed -i 's/^:---/---/' $H/openpgp-revocs.d/*.rev; "
     "$G --import $H/openpgp-revocs.d/*.rev; $G --armor --export", "invalid_request", "is revoked", NEW),
    ("a certificate and its revocation behind it", "$G --quick-generate-key a future-default default never; $G --armor --export; "
     "cat $H/openpgp-revocs.d/*.rev", "invalid_request", "is revoked", NEW),
    ("several", "$G --quick-generate-key b future-default default never; $G --quick-generate-key a future-default default never; "
     "$G --armor --export", "invalid_request", "several", EXPORT),
    ("a signature", "$G --quick-generate-key a future-default default never; echo x | $G --armor --sign", "invalid_request",
     "not a certificate", EXPORT),
    ("cut short", "$G --quick-generate-key a future-default default never; $G --armor --export | head -n 5", "invalid_request",
     "damaged", EXPORT),
    ("in the future", "$G --faked-system-time 20300101T000000 --quick-generate-key a future-default default never; "
     "$G --armor --export", "invalid_request", "2030-01-01T", None),
]


def shell(script, folder, environment=None):
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, timeout=120,
                          env={**os.environ, **(environment or {})})
    return done.stdout.decode()


def reason_of(refused, code, word, command):
    assert refused["Error"]["Code"] == code, refused
    reason = refused["Error"]["ExtraData"]["PublicKey"]
    assert word in reason, reason
    if command is None:
        # The whole rest is the command.
        command = reason[reason.index("node -e"):] if "node -e" in reason else None
    assert command is None or command in reason, reason
    return command


def rsa_hint(partner, script, code, word, command):
    with tempfile.TemporaryDirectory() as folder:
        bad = shell(script, folder)
        command = reason_of(partner.register("RSA", bad, expect=400), code, word, command)
        partner.register("RSA", shell(command, folder))


def pgp_hint(partner, script, code, word, command):
    # Short: gpg-agent's socket lies in it.
    home = tempfile.mkdtemp(prefix="h-", dir="/tmp")
    gpg = "gpg --batch --quiet --no-tty --pinentry-mode loopback --passphrase ''"
    functions = (f"H={home}; G=\"{gpg.replace(chr(39) * 2, '')}\"; shopt -s expand_aliases\n"
                 f"function gpg() {{ command {gpg} \"$@\"; }}\n"
                 "F() { gpg --list-keys --with-colons | awk -F: '/^fpr/ {print $10; exit}'; }\n")
    try:
        bad = shell(functions + script.replace("$G", "gpg"), home, {"GNUPGHOME": home})
        command = reason_of(partner.register("PGP", bad, expect=400), code, word, command)
        if command is None:
            return
        last = "gpg --list-keys --with-colons a 2>/dev/null | awk -F: '/^fpr/ {print $10; exit}'"
        fingerprint = shell(functions + last, home, {"GNUPGHOME": home}).strip()
        if "NAME" in command:
            fingerprint = "new@example.com"
        command = command.replace("FINGERPRINT", fingerprint).replace("NAME", "New").replace("EMAIL", "new@example.com")
        printed = shell(functions + command, home, {"GNUPGHOME": home})
        if "--export" not in command:
            printed = shell(functions + f"gpg --armor --export {fingerprint}", home, {"GNUPGHOME": home})
        partner.register("PGP", printed)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def certificates_of_others(partner, directory, has_openpgpjs):
    """openpgpjs and sq make certificates without what gpg adds; they are accepted as they are."""
    made = {}
    if shutil.which("sq"):
        shell("sq key generate --userid '<a@example.com>' --export k.pgp; sq key extract-cert k.pgp > c.pgp", directory)
        with open(os.path.join(directory, "c.pgp")) as file:
            made["sq"] = file.read()
    if has_openpgpjs:
        script = ("const o = require('openpgp'); (async () => { const k = await o.generateKey({userIDs: [{email: 'a@example.com'}],"
                  " type: TYPE, format: 'armored', config: CONFIG}); console.log(k.publicKey); })()")
        for name, kind, config in (("openpgpjs v4", "'ecc'", "{}"), ("openpgpjs v6", "'curve25519'", "{v6Keys: true}"),
                                   ("openpgpjs RSA", "'rsa'", "{}")):
            made[name] = shell(f"node -e \"{script.replace('TYPE', kind).replace('CONFIG', config)}\"", HERE)
    for name, text in made.items():
        assert re.match("-----BEGIN PGP PUBLIC KEY BLOCK", text), (name, text[:200])
        partner.register("PGP", text)
    return made


def walk(partner_of, tally, directory, has_openpgpjs):
    for at, (what, tools, script, code, word, command) in enumerate(RSA_CASES):
        lacking = [tool for tool in tools.split() if not shutil.which(tool)]
        if lacking:
            tally.skip("hints", f"RSA: {what}", f"{lacking[0]} is not installed")
        else:
            tally.run("hints", f"RSA: {what}", rsa_hint, partner_of(f"hint-rsa-{at}"), script, code, word, command)
    for at, (what, script, code, word, command) in enumerate(PGP_CASES):
        if shutil.which("gpg"):
            tally.run("hints", f"PGP: {what}", pgp_hint, partner_of(f"hint-pgp-{at}"), script, code, word, command)
        else:
            tally.skip("hints", f"PGP: {what}", "gpg is not installed")
    if shutil.which("sq") or has_openpgpjs:
        tally.run("hints", "certificates of sq and openpgpjs", certificates_of_others, partner_of("hint-others"), directory,
                  has_openpgpjs)
    else:
        tally.skip("hints", "certificates of sq and openpgpjs", "neither can be had")
