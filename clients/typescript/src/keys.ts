import { createPrivateKey, KeyObject } from "node:crypto";
import { Secret } from "./secret.js";

/** A private RSA key: PEM (PKCS#8 or PKCS#1), or node's own. */
export type PrivateKey = string | Secret | KeyObject;

/** Throws a TypeError, which does not show the key, if it is none. */
export function privateKeyOf(key: PrivateKey): KeyObject {
  if (key instanceof KeyObject) return rsa(key);
  try {
    return rsa(createPrivateKey(key instanceof Secret ? key.reveal() : key));
  } catch {
    throw new TypeError("privateKey is no RSA private key in PEM");
  }
}

function rsa(key: KeyObject): KeyObject {
  if (key.type !== "private" || key.asymmetricKeyType !== "rsa") throw new TypeError("privateKey is no RSA private key");
  return key;
}
