"""Private keys, as they are given."""

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

# PEM (PKCS#8 or PKCS#1), or a key of the package `cryptography`.
PrivateKey = str | bytes | SecretStr | RSAPrivateKey


def revealed(value: str | SecretStr) -> str:
    """The text of what may be wrapped."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def private_key_of(key: PrivateKey) -> RSAPrivateKey:
    """Raises a ValueError, which does not show the key, if it is none."""
    if isinstance(key, RSAPrivateKey):
        return key
    pem = key if isinstance(key, bytes) else revealed(key).encode()
    try:
        loaded = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        loaded = None
    if not isinstance(loaded, RSAPrivateKey):
        raise ValueError("private_key is no RSA private key in PEM")
    return loaded
