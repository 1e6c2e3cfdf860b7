import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { ResponseVerificationError } from "./errors.js";
import { contentDigest, LABEL, type Outgoing, PSS } from "./signing.js";

/** Public halves of the service's pairs of the usage `ResponseSignature`, by `UniqueId`, in PEM. */
export type ResponseKeys = Record<string, string>;

const OURS = "partner-api";
const OLDEST_MS = 300_000;
const BOUND = ['"@status"', '"@method";req', '"@target-uri";req'];

/** Verifies that responses are the service's answers to our requests (contract, 12.2). */
export class ResponseVerifier {
  readonly #keys: Map<string, KeyObject>;

  constructor(keys: ResponseKeys) {
    this.#keys = new Map(Object.entries(keys).map(([id, pem]) => [id, createPublicKey(pem)]));
  }

  /** What asks for a signature. */
  readonly headers = { "accept-signature": `${OURS}=("@status" "content-digest");tag="${OURS}"` };

  /**
   * Throws a ResponseVerificationError unless it is. A 401 is not signed: the service does not know whose it is.
   * `now` in milliseconds since 1970.
   */
  verify(request: Outgoing, status: number, headers: Headers, body: Uint8Array, now: number): void {
    if (status === 401) return;
    const input = member(headers.get("signature-input"));
    const signature = /^:([A-Za-z0-9+/=]+):$/.exec(member(headers.get("signature")))?.[1];
    const { components, parameters } = parts(input);
    const key = this.#keys.get(parameters["keyid"] ?? "");
    if (key === undefined) throw new ResponseVerificationError("the response is signed by a key that is not expected");
    this.#insist(request, status, components, parameters, now);
    const lines = components.map((name) => `${name}: ${value(name, request, status, headers, body)}`);
    const base = [...lines, `"@signature-params": ${input}`].join("\n");
    if (!verify("sha512", Buffer.from(base), { key, ...PSS }, Buffer.from(signature ?? "", "base64"))) {
      throw new ResponseVerificationError("the response was changed, or answers another request");
    }
  }

  #insist(request: Outgoing, status: number, components: string[], parameters: Record<string, string>, now: number) {
    const bound = [...BOUND];
    if (status !== 204) bound.push('"content-digest"');
    if ("signature" in request.headers) bound.push(`"signature";req;key="${LABEL}"`);
    if (!bound.every((name) => components.includes(name)) || parameters["tag"] !== OURS) {
      throw new ResponseVerificationError("the response's signature does not cover what it must");
    }
    if (!(Math.abs(now - Number(parameters["created"]) * 1000) <= OLDEST_MS)) {
      throw new ResponseVerificationError("the response's signature is too old, or of the future");
    }
  }
}

function value(name: string, request: Outgoing, status: number, headers: Headers, body: Uint8Array): string {
  switch (name) {
    case '"@status"':
      return String(status);
    case '"@method";req':
      return request.method;
    case '"@target-uri";req':
      return request.url;
    case '"content-digest"': {
      const digest = headers.get("content-digest");
      if (digest !== contentDigest(body)) throw new ResponseVerificationError("the response's body was changed");
      return digest;
    }
    case `"signature";req;key="${LABEL}"`:
      return request.headers["signature"]?.slice(`${LABEL}=`.length) ?? "";
    default:
      throw new ResponseVerificationError("the response's signature covers what is not expected");
  }
}

/** Our member of a dictionary (RFC 8941). */
function member(header: string | null): string {
  const members = (header ?? "").match(/(?:"[^"]*"|[^",])+/g) ?? [];
  const found = members.map((each) => each.trim()).find((each) => each.startsWith(`${OURS}=`));
  if (found === undefined) throw new ResponseVerificationError("the response is not signed");
  return found.slice(OURS.length + 1);
}

function parts(input: string): { components: string[]; parameters: Record<string, string> } {
  const [, list, rest] = /^\(([^)]*)\)(.*)$/.exec(input) ?? [];
  const components = (list ?? "").match(/"[^"]*"(?:;[a-z]+(?:="[^"]*")?)*/g) ?? [];
  const found = (rest ?? "").matchAll(/;([a-z]+)=(?:"([^"]*)"|(\d+))/g);
  const parameters = Object.fromEntries(Array.from(found, ([, name, text, digits]) => [name, text ?? digits ?? ""]));
  return { components, parameters };
}
