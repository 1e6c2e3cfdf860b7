import { constants, createDecipheriv, privateDecrypt } from "node:crypto";
import { PartnerApiError } from "./errors.js";
import { type PrivateKey, privateKeyOf } from "./keys.js";

/**
 * The text of a compact JWE (RFC 7516) that the service encrypted to your RSA key, such as `encrypted_secret` or the
 * body of an event: RSA-OAEP-256 and A256GCM. Throws a PartnerApiError if it cannot be opened.
 */
export function decryptJwe(text: string, privateKey: PrivateKey): string {
  const key = privateKeyOf(privateKey);
  const [header, wrapped, iv, cipherText, tag, ...more] = text.trim().split(".");
  try {
    if (!header || !wrapped || !iv || cipherText === undefined || !tag || more.length > 0) throw new Error("five parts");
    const { alg, enc } = JSON.parse(Buffer.from(header, "base64url").toString()) as { alg?: string; enc?: string };
    const tagBytes = Buffer.from(tag, "base64url");
    if (alg !== "RSA-OAEP-256" || enc !== "A256GCM" || tagBytes.length !== 16) throw new Error("algorithms");
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const contentKey = privateDecrypt({ key, padding, oaepHash: "sha256" }, Buffer.from(wrapped, "base64url"));
    const decipher = createDecipheriv("aes-256-gcm", contentKey, Buffer.from(iv, "base64url"));
    decipher.setAAD(Buffer.from(header)).setAuthTag(tagBytes);
    return Buffer.concat([decipher.update(Buffer.from(cipherText, "base64url")), decipher.final()]).toString();
  } catch {
    throw new PartnerApiError("the message is no JWE that this key opens");
  }
}
