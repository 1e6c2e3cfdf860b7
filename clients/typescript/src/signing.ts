import { constants, createHash, type KeyObject, randomBytes, sign } from "node:crypto";
import { type PrivateKey, privateKeyOf } from "./keys.js";

/** A request as it goes over the wire. */
export interface Outgoing {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer> | undefined;
}

export interface SigningOptions {
  /** `UniqueId` of your registered key of the usage `Authentication`. */
  keyId: string;
  privateKey: PrivateKey;
}

/** The label of our signatures. */
export const LABEL = "sig1";
export const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 };

/** Signs requests (RFC 9421, RFC 9530), as section 12.1 of the contract has it. */
export class RequestSigner {
  readonly #keyId: string;
  readonly #key: KeyObject;

  constructor(options: SigningOptions) {
    this.#keyId = options.keyId;
    this.#key = privateKeyOf(options.privateKey);
  }

  /** The header fields of a signature made at `now`, milliseconds since 1970. Never to be sent twice. */
  headersFor(request: Outgoing, now: number, nonce = randomBytes(24).toString("base64url")): Record<string, string> {
    const digest = request.body === undefined ? undefined : contentDigest(request.body);
    const components: [string, string][] = [
      ["@method", request.method],
      ["@target-uri", request.url],
    ];
    if (digest !== undefined) components.push(["content-digest", digest]);
    const names = components.map(([name]) => `"${name}"`).join(" ");
    const created = Math.floor(now / 1000);
    const parameters =
      `(${names});created=${created};keyid="${this.#keyId}";alg="rsa-pss-sha512";nonce="${nonce}";tag="partner-api"`;
    const lines = components.map(([name, value]) => `"${name}": ${value}`);
    const base = [...lines, `"@signature-params": ${parameters}`].join("\n");
    const signature = sign("sha512", Buffer.from(base), { key: this.#key, ...PSS }).toString("base64");
    return {
      ...(digest === undefined ? {} : { "content-digest": digest }),
      "signature-input": `${LABEL}=${parameters}`,
      signature: `${LABEL}=:${signature}:`,
    };
  }
}

export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}
