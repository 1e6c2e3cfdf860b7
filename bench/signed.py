"""Signed requests beside the signatures that one core verifies, and beside the same requests unsigned."""

import json
import os
import resource
import subprocess
import time

REQUESTS = 2_000


def signed_features(lab, org_id):
    """Answered from memory: identity and nothing else."""
    return sides(lab, org_id, ["/v1/features"] * REQUESTS, "GET /v1/features")


def signed_get_user(lab, org_id, users):
    return sides(lab, org_id, [f"/v1/users/{user}" for user in users], "GET /v1/users/{id}")


def sides(lab, org_id, targets, name):
    key, unique_id = register(lab, org_id)
    path = os.path.join(lab.directory, "signed.txt")

    def verify():
        # A second of a core's, whoever else wants it.
        before = children_cpu()
        count = float(lab.signed("verify", key, str(lab.options.seconds))) * lab.options.seconds
        return count / (children_cpu() - before), "RSA-2048, PSS, SHA-512"

    def signed():
        # Anew for each round: a signature is good for 300 s.
        with open(path, "w") as file:
            file.write(lab.signed("sign", key, unique_id, lab.public, str(int(time.time())), stdin="\n".join(targets)))
        return with_cpu(lab, lambda: lab.wrk(lab.public, "signed.lua", path))

    def unsigned():
        with open(path, "w") as file:
            file.write("\n".join(target.removeprefix("/") for target in targets))
        return with_cpu(lab, lambda: lab.wrk(lab.public + "/", "one_of.lua", path, headers=(org_id,)))
    return {"verifications on one core": verify, f"{name}, signed": signed, f"{name}, unsigned": unsigned}


def with_cpu(lab, measure):
    """And what each request takes of the service's own time, which other programs on the machine change little."""
    before = lab.cpu()
    rate, note = measure()
    each = (lab.cpu() - before) / (rate * lab.options.seconds)
    return rate, f"{note}, {each * 1e6:.0f} us of CPU each"


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def register(lab, org_id):
    """A key's file, and its UniqueId at the service."""
    key = os.path.join(lab.directory, "signer.der")
    private = openssl("genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", "-out", key, stdin=private)
    public = openssl("pkey", "-pubout", stdin=private)
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
    body = {"OwnerCode": lab.org["key"], "Usage": ["Authentication"], "Type": "RSA", "PublicKey": public.decode(),
            "ExpirationUtc": end}
    name, value = org_id.split(": ")
    status, text = lab.service.ask("POST", "/api/v1/key", {name: value, "Content-Type": "application/json"}, json.dumps(body))
    assert status == 200, text
    return key, json.loads(text)["UniqueId"]


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True).stdout
