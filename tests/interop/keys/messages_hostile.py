"""JWEs that are not what the contract takes (12.3): one 400, to the byte, whatever is wrong with them."""

import base64
import json
import os
import statistics
import time
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto import jwe as jwcrypto_jwe, jwk

from lib import signing
from messages import BOTH, Channel, Joserfc
from partners import send
from responses import Client

ROUNDS = 60
TEXT = json.dumps({"user_id": "00000000-0000-4000-8000-00000000dead"})


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def oaep(name):
    return padding.OAEP(padding.MGF1(name()), name(), None)


def by_hand(pem, header, text=TEXT, key=None, wrap=None):
    """A JWE whose protected header is just these bytes, or this object; `wrap` wraps the content key."""
    protected = b64(header if isinstance(header, bytes) else json.dumps(header).encode())
    key, nonce = key or os.urandom(32), os.urandom(12)
    public = serialization.load_pem_public_key(pem.encode())
    wrapped = public.encrypt(key, wrap or oaep(hashes.SHA256)) if wrap != "none" else b""
    sealed = AESGCM(key).encrypt(nonce, text.encode(), protected.encode())
    return ".".join([protected, b64(wrapped), b64(nonce), b64(sealed[:-16]), b64(sealed[-16:])])


def of_a_library(pem, header, text=TEXT):
    token = jwcrypto_jwe.JWE(text.encode(), json.dumps(header), algs=[header["alg"], header["enc"]])
    token.add_recipient(jwk.JWK.from_pem(pem.encode()) if header["alg"] != "dir" else jwk.JWK.generate(kty="oct", size=256))
    return token.serialize(compact=True)


def flipped(token, part, at=0):
    """The token with one byte of a part changed."""
    parts = token.split(".")
    data = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
    data[at] ^= 1
    return ".".join([*parts[:part], b64(bytes(data)), *parts[part + 1:]])


def without_part(token, part):
    parts = token.split(".")
    return ".".join([*parts[:part], "", *parts[part + 1:]])


def headers_of_all_kinds(channel):
    pem, header = channel.service_pem, channel.header
    yield "zip", of_a_library(pem, header(zip="DEF"))
    yield "zip of another kind", by_hand(pem, header(zip="GZIP"))
    yield "crit", by_hand(pem, header(crit=["exp"], exp=4102444800))
    yield "crit that is empty", by_hand(pem, header(crit=[]))
    yield "b64", by_hand(pem, header(crit=["b64"], b64=False))
    yield "RSA1_5", of_a_library(pem, header(alg="RSA1_5"))
    yield "RSA1_5 called RSA-OAEP-256", by_hand(pem, header(), wrap=padding.PKCS1v15())
    yield "RSA-OAEP", of_a_library(pem, header(alg="RSA-OAEP"))
    yield "RSA-OAEP called RSA-OAEP-256", by_hand(pem, header(), wrap=oaep(hashes.SHA1))
    yield "RSA-OAEP-512", by_hand(pem, header(alg="RSA-OAEP-512"), wrap=oaep(hashes.SHA512))
    yield "dir", of_a_library(pem, header(alg="dir"))
    yield "dir with a wrapped key", by_hand(pem, header(alg="dir"))
    yield "none", by_hand(pem, header(alg="none"), wrap="none")
    yield "PBES2", by_hand(pem, header(alg="PBES2-HS256+A128KW", p2c=10_000_000, p2s="AAAAAAAAAAA"))
    yield "A256KW", by_hand(pem, header(alg="A256KW"))
    for enc in ("A192GCM", "A128GCM", "A256CBC-HS512", "a256gcm", ""):
        yield f"enc {enc}", by_hand(pem, header(enc=enc))
    yield "a content key of 16 bytes", by_hand(pem, header(), key=os.urandom(16))
    yield "a nested JWT", by_hand(pem, header(cty="JWT"), by_hand(pem, header()))
    yield "another cty", by_hand(pem, header(cty="text/plain"))
    yield "no alg", by_hand(pem, {name: value for name, value in header().items() if name != "alg"})
    yield "no enc", by_hand(pem, {name: value for name, value in header().items() if name != "enc"})
    yield "no kid", by_hand(pem, {name: value for name, value in header().items() if name != "kid"})
    yield "alg twice", by_hand(pem, json.dumps(header())[:-1].encode() + b',"alg":"RSA-OAEP-256"}')
    yield "a list as header", by_hand(pem, b'["alg","RSA-OAEP-256"]')
    yield "alg as a list", by_hand(pem, header(alg=["RSA-OAEP-256"]))
    yield "no JSON", by_hand(pem, b"{")
    yield "no UTF-8", by_hand(pem, b'{"kid":"\xff"}')


def kids(channel, stranger, dead):
    """Encrypted well, to somebody else's key or one that does not decrypt."""
    own = signing.public_pem(channel.own.key)
    yield "another org's pair", by_hand(stranger.service_pem, stranger.header())
    yield "another org's id, own pair", by_hand(channel.service_pem, channel.header(kid=stranger.service_id))
    yield "own id, another org's pair", by_hand(stranger.service_pem, channel.header())
    yield "a pair that was ended", by_hand(dead[1], channel.header(kid=dead[0]))
    yield "a key of the partner's", by_hand(own, channel.header(kid=channel.own.unique_id))
    signs = channel.partner.generate("ResponseSignature")
    yield "a pair that signs", by_hand(signs[1], channel.header(kid=signs[0]))
    for kid in (str(uuid.uuid4()), "", "x", "' OR 1=1 --", channel.service_id + " ", "../" + channel.service_id):
        yield f"kid {kid[:12]}", by_hand(channel.service_pem, channel.header(kid=kid))


def damaged(channel):
    token = by_hand(channel.service_pem, channel.header())
    for part, what in enumerate(("header", "wrapped key", "nonce", "text", "tag")):
        if part:
            yield f"{what} changed", flipped(token, part)
            yield f"the end of the {what} changed", flipped(token, part, -1)
        yield f"no {what}", without_part(token, part)
    other = by_hand(channel.service_pem, channel.header(), '{"user_id": "x"}')
    yield "the tag of another", token.rsplit(".", 1)[0] + "." + other.rsplit(".", 1)[1]
    yield "a header with a blank more", by_hand(channel.service_pem, channel.header()).replace(
        token.split(".")[0], b64(json.dumps(channel.header(), indent=1).encode()), 1)
    for cut in (1, 5, 30, len(token) // 2):
        yield f"{cut} characters cut off", token[:-cut]
    yield "cut off in front", token[1:]
    yield "a part too many", token + ".AAAA"
    yield "a dot more", token + "."
    yield "four parts", token.rsplit(".", 1)[0]
    yield "a blank in front", " " + token
    yield "a line break behind", token + "\n"
    yield "padded", token.replace(".", "==.", 1)
    yield "the other alphabet", token.replace("-", "+").replace("_", "/") + "+/"
    yield "JSON in clear", TEXT
    yield "nothing", ""
    yield "as a JSON string", json.dumps(token)
    protected, wrapped, nonce, text, tag = token.split(".")
    yield "in the JSON form", json.dumps({"protected": protected, "encrypted_key": wrapped, "iv": nonce, "ciphertext": text, "tag": tag})
    yield "a signature in its place", ".".join(token.split(".")[:3])
    yield "a tag of 4 bytes", token.rsplit(".", 1)[0] + "." + b64(b"1234")


def table(service, channel, cases, kept):
    """Refuses each with the same bytes, on two routes, and does nothing."""
    lines = [("taih-tenant-key", channel.partner.key), ("Content-Type", "application/jose"), ("X-Request-Id", "hostile")]
    for name, token in cases:
        body = token if isinstance(token, bytes) else token.encode()
        for method, target in (("POST", "/v1/users"), ("PATCH", "/v1/admin/org")):
            status, told = send(service, method, target, lines, body)
            kept.setdefault("bytes", told)
            assert status == 400 and told == kept["bytes"], (name, status, told[:200])
        # The route of keys says it in its own shape.
        status, told = send(service, "POST", "/api/v1/key", lines, body)
        kept.setdefault("traced", told)
        assert status == 400 and told == kept["traced"], (name, status, told[:200])
        kept["n"] = kept.get("n", 0) + 3
    told = json.loads(kept["bytes"])["error"]
    assert (told["code"], told["details"]) == ("decryption_failed", []), told
    assert json.loads(kept["traced"])["Error"]["Code"] == "decryption_failed"
    assert send(service, "GET", f"/v1/users/{json.loads(TEXT)['user_id']}", lines[:1])[0] == 404


def good_ones(service, channel):
    """What is made by hand here does pass when nothing is wrong with it."""
    client = Client(channel.partner, False, **BOTH)
    for header in (channel.header(), channel.header(cty="json"), channel.header(kid=channel.service_id.upper())):
        body = by_hand(channel.service_pem, header, json.dumps({"user_id": str(uuid.uuid4())}))
        channel.opened(Joserfc(), client.ask("POST", "/v1/users", data=body), 201)


def timing(service, channel):
    """A key that cannot be unwrapped takes as long as a tag that is wrong; said, not judged: machines are not quiet."""
    lines = [("taih-tenant-key", channel.partner.key), ("Content-Type", "application/jose")]
    token = by_hand(channel.service_pem, channel.header())
    kinds = {"wrapped key": flipped(token, 1, 5), "PKCS#1 v1.5": by_hand(channel.service_pem, channel.header(), wrap=padding.PKCS1v15()),
             "tag": flipped(token, 4), "short key": by_hand(channel.service_pem, channel.header(), key=os.urandom(16))}
    took = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, bad in kinds.items():
            at = time.perf_counter()
            assert send(service, "POST", "/v1/users", lines, bad.encode())[0] == 400
            took[name].append(time.perf_counter() - at)
    print("         median of refusals:", ", ".join(f"{name} {statistics.median(each) * 1000:.2f} ms" for name, each in took.items()))


def walk(service, tally):
    channel, stranger = Channel(service, "jose-hostile"), Channel(service, "jose-stranger")
    dead = channel.partner.generate("MessageLevelEncryption")
    channel.partner.call("DELETE", f"/api/v1/key/{dead[0]}", expect=204)
    kept, run = {}, lambda name, *work: tally.run("400", name, *work)
    run("what the hostile ones are made with makes good ones", good_ones, service, channel)
    run("headers that are not taken", table, service, channel, headers_of_all_kinds(channel), kept)
    run("keys that do not open this org's messages", table, service, channel, kids(channel, stranger, dead), kept)
    run("damaged, cut, and in other forms", table, service, channel, damaged(channel), kept)
    print(f"         {kept.get('n')} refusals of the same bytes")
    run("refusals take their time", timing, service, channel)
