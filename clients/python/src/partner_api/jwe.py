"""Opens what the service encrypted to your RSA key."""

import base64
import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ._errors import PartnerApiError
from ._keys import PrivateKey, private_key_of

OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def decrypt_jwe(text: str, private_key: PrivateKey) -> str:
    """The text of a compact JWE (RFC 7516), such as `encrypted_secret`: RSA-OAEP-256 and A256GCM.

    Raises PartnerApiError if this key does not open it.
    """
    key = private_key_of(private_key)
    try:
        header, wrapped, iv, cipher_text, tag = text.strip().split(".")
        algorithms = json.loads(_decoded(header))
        if (algorithms.get("alg"), algorithms.get("enc")) != ("RSA-OAEP-256", "A256GCM") or len(_decoded(tag)) != 16:
            raise ValueError("algorithms")
        content_key = key.decrypt(_decoded(wrapped), OAEP)
        opened = AESGCM(content_key).decrypt(_decoded(iv), _decoded(cipher_text) + _decoded(tag), header.encode())
        return opened.decode()
    except (ValueError, AttributeError, InvalidTag):
        raise PartnerApiError("the message is no JWE that this key opens") from None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
