#!/usr/bin/env python3
"""Makes `libraries.json`: messages by other JOSE libraries to the fixtures' RSA keys. Needs jwcrypto and joserfc, and
node with jose in the directory it is called from. Run only to add to it: the tests read what is committed."""

import json
import pathlib
import subprocess

from joserfc import jwe as joserfc_jwe
from joserfc.jwk import RSAKey
from jwcrypto import jwe, jwk

HERE = pathlib.Path(__file__).parent
PLAINTEXT = '{"first_name":"Zoë"}'
NODE = """
import { createPublicKey } from 'node:crypto'; import { readFileSync } from 'node:fs'; import { CompactEncrypt } from 'jose';
const [pem, header, text] = process.argv.slice(2);
console.log(await new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader(JSON.parse(header))
  .encrypt(createPublicKey(readFileSync(pem))));
"""


def by_jwcrypto(pem, header):
    token = jwe.JWE(PLAINTEXT.encode(), json.dumps(header))
    token.add_recipient(jwk.JWK.from_pem(pem.read_bytes()))
    return token.serialize(compact=True)


def by_joserfc(pem, header):
    return joserfc_jwe.encrypt_compact(header, PLAINTEXT, RSAKey.import_key(pem.read_bytes()),
                                       algorithms=[header["alg"], header["enc"]])


def by_node(pem, header):
    pathlib.Path("seal.mjs").write_text(NODE)
    arguments = ["node", "seal.mjs", str(pem), json.dumps(header), PLAINTEXT]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout.strip()


def main():
    messages = []
    for library, seal in {"jwcrypto": by_jwcrypto, "joserfc": by_joserfc, "jose (node)": by_node}.items():
        for key in ["rsa2048", "rsa4096"]:
            for enc in ["A256GCM", "A128CBC-HS256"]:
                header = {"alg": "RSA-OAEP-256", "enc": enc, "kid": key, "cty": "json"}
                message = seal((HERE / f"../fixtures/{key}.spki.pem").resolve(), header)
                messages.append({"library": library, "key": key, "message": message})
    (HERE / "libraries.json").write_text(
        json.dumps({"plaintext": PLAINTEXT, "messages": messages}, indent=1, ensure_ascii=False) + "\n")


main()
