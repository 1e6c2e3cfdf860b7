"""What nobody may get past either of two replicas on one database: all of it is one 401, to the byte."""

import base64
import hashlib
import hmac
import os
import re
import threading
import time
import uuid
from collections import Counter

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from lib import signing
from lib.service import another_replica
from partners import BASE, HOST, Signing, send

ROUNDS = 25
REQUEST_ID = ("X-Request-Id", "hostile")


def pss(key, data, salt=64):
    return key.sign(data, padding.PSS(padding.MGF1(hashes.SHA512()), salt), hashes.SHA512())


def v1_5(key, data):
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def with_public_half(form):
    """HMAC with what everybody knows, for a verifier that lets the message choose the algorithm."""
    def sign(key, data):
        public = key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hmac.new(public, data, hashlib.sha256).digest()
    return sign


def by_hand(signer, lines, parameters, sign=pss, target="/v1/users", label="sig1"):
    """A signature over any lines, named as in `lines`, with any parameters."""
    covered = "(" + " ".join(name for name, _ in lines) + ")" + parameters.replace("KEYID", signer.unique_id)
    base = "\n".join([f"{name}: {value}" for name, value in lines] + [f'"@signature-params": {covered}'])
    made = base64.b64encode(sign(signer.key, base.encode())).decode()
    return [("Signature-Input", f"{label}={covered}"), ("Signature", f"{label}=:{made}:")]


def get_lines(target="/v1/users"):
    return [('"@method"', "GET"), ('"@target-uri"', BASE + target)]


def parameters(alg="rsa-pss-sha512", created=None, more=""):
    return f';created={int(created or time.time())};keyid="KEYID"' + (f';alg="{alg}"' if alg else "") + more


def changed(headers, name, old, new):
    """The header lines with something else in one of them."""
    assert any(old in value for key, value in headers if key == name), (name, old)
    return [(key, value.replace(old, new) if key == name else value) for key, value in headers]


def without(headers, *names):
    return [(name, value) for name, value in headers if name not in names]


def bent(partner):
    """Requests that were signed well, and then something was done to them: name, method, target, lines, body."""
    body, other = {"user_id": str(uuid.uuid4())}, {"user_id": str(uuid.uuid4())}
    sign, uid = partner.signer.sign, partner.signer.unique_id
    page = "/v1/users?limit=1&offset=0"
    get, post = sign("GET", page), sign("POST", "/v1/users", body)
    typed = sign("POST", "/v1/users", body, covered=("@method", "@target-uri", "content-type"))
    parts = sign("GET", "/v1/users?limit=1", covered=("@method", "@authority", "@path", "@query"))
    key = ("Idempotency-Key", "a")
    keyed = sign("POST", "/v1/users", body, headers=[key], covered=("@method", "@target-uri", "idempotency-key"))
    yield "another method", "HEAD", page, get, None
    yield "another path", "GET", "/v1/features?limit=1&offset=0", get, None
    yield "another query", "GET", "/v1/users?limit=2&offset=0", get, None
    yield "another order of the query", "GET", "/v1/users?offset=0&limit=1", get, None
    yield "another spelling of the path", "GET", "/v1/users/%61bc", sign("GET", "/v1/users/abc"), None
    yield "parts: another query", "GET", "/v1/users?limit=2", parts, None
    yield "parts: no query", "GET", "/v1/users", parts, None
    yield "another body", "POST", "/v1/users", post, other
    yield "a blank more", "POST", "/v1/users", post, signing.as_bytes(body) + b" "
    yield "no body", "POST", "/v1/users", post, None
    swapped = dict(sign("POST", "/v1/users", other))["Content-Digest"]
    redone = [*without(post, "Content-Digest"), ("Content-Digest", swapped)]
    yield "another body with its digest", "POST", "/v1/users", redone, other
    yield "a second digest", "POST", "/v1/users", [*post, ("Content-Digest", swapped)], body
    yield "no digest", "POST", "/v1/users", without(post, "Content-Digest"), body
    yield "another type", "POST", "/v1/users", changed(typed, "Content-Type", "application/json", "application/JSON"), body
    yield "a covered header twice", "POST", "/v1/users", [*keyed, key], body
    yield "a covered header gone", "POST", "/v1/users", without(keyed, "Idempotency-Key"), body
    created = re.search(r"created=(\d+)", get[-2][1]).group(1)
    yield "another created", "GET", page, changed(get, "Signature-Input", created, str(int(created) - 1)), None
    yield "another order of what is covered", "GET", page, changed(
        get, "Signature-Input", '"@method" "@target-uri"', '"@target-uri" "@method"'), None
    yield "less covered", "POST", "/v1/users", changed(post, "Signature-Input", ' "content-digest"', ""), body
    yield "another nonce", "POST", "/v1/users", changed(post, "Signature-Input", 'nonce="', 'nonce="x'), body
    yield "another key of the org", "GET", page, changed(
        get, "Signature-Input", uid, partner.another().unique_id), None
    yield "an unknown key", "GET", page, changed(get, "Signature-Input", uid, str(uuid.uuid4())), None
    yield "no such id", "GET", page, changed(get, "Signature-Input", uid, "' OR 1=1 --"), None
    yield "another label", "GET", page, changed(get, "Signature", "sig1=", "sig2="), None
    yield "only the signature", "GET", page, without(get, "Signature-Input"), None
    yield "only its input", "GET", page, without(get, "Signature"), None
    yield "an empty signature", "GET", page, [*without(get, "Signature"), ("Signature", "sig1=::")], None
    yield "sent twice", "GET", page, [*get, get[-2], get[-1]], None
    yield "garbage", "GET", "/v1/users", [("Signature-Input", "(((("), ("Signature", ":")], None


def misdone(partner):
    """Signatures that should not have been made so: the same, all good for what they say."""
    signer, now = partner.signer, time.time()
    sign = signer.sign

    def made(name, lines=None, how=pss, body=None, method="GET", **given):
        return name, method, "/v1/users", by_hand(signer, lines or get_lines(), parameters(**given), how), body

    yield "created in the future", "GET", "/v1/users", sign("GET", "/v1/users", created=signing.ago(-400)), None
    yield "created too long ago", "GET", "/v1/users", sign("GET", "/v1/users", created=signing.ago(400)), None
    yield "expired", "GET", "/v1/users", sign("GET", "/v1/users", created=signing.ago(20), expires=signing.ago(1)), None
    body = {"user_id": str(uuid.uuid4())}
    yield "no nonce", "POST", "/v1/users", sign("POST", "/v1/users", body, nonce=None), body
    yield "a short nonce", "POST", "/v1/users", sign("POST", "/v1/users", body, nonce="123456789012345"), body
    yield "a long nonce", "POST", "/v1/users", sign("POST", "/v1/users", body, nonce="1" * 129), body
    yield "a DELETE without nonce", "DELETE", "/v1/users/x", sign("DELETE", "/v1/users/x", nonce=None), None
    yield "the method not covered", "GET", "/v1/users", sign("GET", "/v1/users", covered=("@target-uri",)), None
    yield "the URI not covered", "GET", "/v1/users", sign("GET", "/v1/users", covered=("@method", "@path")), None
    yield "another host", "GET", "/v1/users", by_hand(signer, [get_lines()[0], ('"@target-uri"', "http://x.test/v1/users")],
                                                      parameters()), None
    yield "https", "GET", "/v1/users", by_hand(signer, [get_lines()[0], ('"@target-uri"', f"https://{HOST}/v1/users")],
                                               parameters()), None
    yield "two labels, neither tagged", "GET", "/v1/users", two_labels(partner), None
    yield "two labels, both tagged", "GET", "/v1/users", two_labels(partner, "partner-api", "partner-api"), None
    yield "two labels, the tagged one bad", "GET", "/v1/users", changed(
        two_labels(partner, "partner-api", "other"), "Signature", "sig1=:", "sig1=:AAAA"), None
    yield made("PKCS#1 v1.5 called PSS", how=v1_5)
    yield made("PSS called PKCS#1 v1.5", alg="rsa-v1_5-sha256")
    yield made("PKCS#1 v1.5 without alg", alg=None, how=v1_5)
    yield made("the longest salt", how=lambda key, data: pss(key, data, padding.PSS.MAX_LENGTH))
    yield made("no salt", how=lambda key, data: pss(key, data, 0))
    for form in ("PEM", "DER"):
        for alg in ("hmac-sha256", "rsa-pss-sha512", None):
            how = with_public_half(getattr(serialization.Encoding, form))
            yield made(f"HMAC with the public key in {form}, alg {alg}", alg=alg, how=how)
    for alg in ("none", "ecdsa-p256-sha256", "ed25519", "RSA-PSS-SHA512", ""):
        yield made(f"alg {alg or 'empty'}", alg=alg or None, more="" if alg else ';alg=""')
    yield made("alg none, no signature", alg="none", how=lambda *_: b"")
    yield made("no signature bytes", how=lambda *_: b"")
    yield name_of("no created", by_hand(signer, get_lines(), ';keyid="KEYID"'))
    yield name_of("created as text", by_hand(signer, get_lines(), f';created="{int(now)}";keyid="KEYID"'))
    yield name_of("no keyid", by_hand(signer, get_lines(), f";created={int(now)}"))
    yield made("an unknown parameter", more=";critical")
    yield made("an unknown component", [*get_lines(), ('"@status"', "200")])
    yield made("the request of a response", [*get_lines(), ('"@method";req', "GET")])
    yield made("a component twice", [*get_lines(), get_lines()[0]])
    yield made("a header that is not there", [*get_lines(), ('"x-not-there"', "")])
    yield made("sixty-five components", [*get_lines(), *((f'"x-{n}"', "") for n in range(63))])


def name_of(name, headers):
    return name, "GET", "/v1/users", headers, None


def two_labels(partner, first=None, second=None):
    """Two good signatures in one request."""
    more = lambda tag: f';tag="{tag}"' if tag else ""
    one = by_hand(partner.signer, get_lines(), parameters(more=more(first)), label="sig1")
    two = by_hand(partner.signer, get_lines(), parameters(more=more(second)), label="sig2")
    return [(name, f"{value}, {other}") for (name, value), (_, other) in zip(one, two)]


def others(partner, stranger):
    """Keys that may not sign for this org: name and signer."""
    yield "a key to deliver to", partner.another(("CredentialsDownload",))
    yield "a key for reports", partner.another(("Reports",))
    yield "a key for messages", partner.another(("MessageLevelEncryption",))
    yield "a pair of the service", signing.Signer(partner.generate("ResponseSignature")[0], partner.signer.key, BASE)
    dead = partner.another()
    partner.call("DELETE", f"/api/v1/key/{dead.unique_id}", expect=204)
    yield "a dead key", dead
    yield "another org's id, own key", signing.Signer(stranger.signer.unique_id, partner.signer.key, BASE)


class Refused:
    """Every refusal has the bytes of the first one."""

    def __init__(self, replicas, partner):
        self.replicas, self.partner, self.bytes, self.n = replicas, partner, None, 0

    def __call__(self, name, method, target, headers, body=None, check=True, with_key=True):
        for replica in self.replicas:
            for key in ([], [("taih-tenant-key", self.partner.key)]) if with_key else ([],):
                status, told = send(replica, method, target, [*headers, *key, REQUEST_ID], body)
                assert status == 401, f"{name}{' beside a key' if key else ''}: {status} {told[:200]}"
                if method != "HEAD":
                    self.bytes = self.bytes or told
                    assert told == self.bytes, (name, told, self.bytes)
                self.n += 1
        if check:
            said = self.partner.check(method, target, headers, body)
            assert not said["valid"] and said["problem"], (name, said)


def table(refused, cases):
    for case in cases:
        refused(*case)


def keys_of_others(refused, partner, stranger):
    for name, signer in others(partner, stranger):
        refused(name, "GET", "/v1/users", signer.sign("GET", "/v1/users"))
    # Another org's good signature is that org's alone, and nobody's beside this org's key.
    headers = stranger.signer.sign("GET", "/v1/admin/org")
    for replica in refused.replicas:
        status, told = send(replica, "GET", "/v1/admin/org", headers)
        assert status == 200 and stranger.org.encode() in told, told
        status, told = send(replica, "GET", "/v1/admin/org", [*headers, ("taih-tenant-key", partner.key), REQUEST_ID])
        assert (status, told) == (401, refused.bytes), told
    assert not partner.check("GET", "/v1/admin/org", headers)["valid"]


def one_label_of_two(partner, replicas):
    """The one that is tagged counts, wherever it stands."""
    for tags in (("partner-api", None), ("other", "partner-api"), (None, "partner-api")):
        for replica in replicas:
            status, told = send(replica, "GET", "/v1/users", two_labels(partner, *tags))
            assert status == 200, (tags, told)


def replayed(refused, partner, replicas):
    """The same request at both replicas at the same moment, and once more later: one passes."""
    gaps = []
    for _ in range(ROUNDS):
        body = {"user_id": str(uuid.uuid4())}
        headers = [*partner.signer.sign("POST", "/v1/users", body), REQUEST_ID]
        ready, told = threading.Barrier(4), []

        def one(replica):
            ready.wait()
            at = time.perf_counter()
            told.append((at, *send(replica, "POST", "/v1/users", headers, body)))

        threads = [threading.Thread(target=one, args=(replicas[n % 2],)) for n in range(4)]
        [each.start() for each in threads], [each.join() for each in threads]
        outcomes = Counter(status for _, status, _ in told)
        assert outcomes == {201: 1, 401: 3}, outcomes
        assert {body for _, status, body in told if status == 401} == {refused.bytes}
        gaps.append(max(at for at, *_ in told) - min(at for at, *_ in told))
        for replica in replicas:
            assert send(replica, "POST", "/v1/users", headers, body)[0] == 401
    print(f"         the first and the last of each four were sent within {sorted(gaps)[ROUNDS // 2] * 1000:.2f} ms (median)")


def deleted_while_used(partner, replicas):
    """A key that signs all the time on both replicas: dead within a second of its end."""
    for _ in range(3):
        signer = partner.another()
        headers, last, stop = signer.sign("GET", "/v1/users"), [0.0, 0.0], threading.Event()

        def use(n):
            while not stop.is_set():
                at = time.monotonic()
                if send(replicas[n], "GET", "/v1/users", headers)[0] == 200:
                    last[n] = at

        threads = [threading.Thread(target=use, args=(n,)) for n in range(2)]
        [each.start() for each in threads]
        time.sleep(0.5)
        used = list(last)
        partner.call("DELETE", f"/api/v1/key/{signer.unique_id}", expect=204)
        ended = time.monotonic()
        time.sleep(1.5)
        stop.set(), [each.join() for each in threads]
        assert all(used), "it was not in use"
        late = [at - ended for at in last]
        assert max(late) < 1, f"still good {late} s after its end"
        print(f"         the last good answers began {', '.join(f'{at * 1000:+.0f} ms' for at in late)} from its end")


def suspended(stranger, replicas):
    stranger.service.command("org", "suspend", "--key", stranger.name)
    time.sleep(1)
    for replica in replicas:
        status, told = send(replica, "GET", "/v1/users", stranger.signer.sign("GET", "/v1/users"))
        assert status == 403 and b'"forbidden"' in told, told


def beside_a_token(partner, replicas):
    user = str(uuid.uuid4())
    partner.call("POST", "/v1/users", {"user_id": user}, expect=201)
    token = partner.call("POST", "/v1/auth/token", {"user_id": user})["access_token"]
    target = f"/v1/users/{user}"
    for replica in replicas:
        status, told = send(replica, "GET", target, [*partner.signer.sign("GET", target), ("Authorization", f"Bearer {token}")])
        assert status == 400 and b"conflicting_credentials" in told, told


def walk(service, tally):
    second = another_replica(service, os.path.join(service.directory, "second"))
    try:
        second.wait_until_ready()
        replicas, partner, stranger = (service, second), Signing(service, "hostile"), Signing(service, "stranger")
        refused = Refused(replicas, partner)
        run = lambda name, *work: tally.run("401", name, *work)
        run("a good signature that something was done to", table, refused, bent(partner))
        run("signatures that are made wrong", table, refused, misdone(partner))
        run("keys that may not sign for this org", keys_of_others, refused, partner, stranger)
        print(f"         {refused.n} refusals, all of the same bytes")
        run("of two labels the tagged one counts", one_label_of_two, partner, replicas)
        run("a nonce passes once over both replicas", replayed, refused, partner, replicas)
        run("a key that is deleted while it signs is dead within a second", deleted_while_used, partner, replicas)
        run("beside a token: 400", beside_a_token, partner, replicas)
        run("a suspended org: 403", suspended, stranger, replicas)
    finally:
        second.stop()
