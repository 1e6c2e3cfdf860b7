import { createHmac, timingSafeEqual, verify } from "node:crypto";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { EventVerificationError } from "./errors.js";
import type { webhooks } from "./generated/schema.js";
import { decryptJwe } from "./jwe.js";
import type { PrivateKey } from "./keys.js";
import { KeySet } from "./keyset.js";
import { revealed, type Secret } from "./secret.js";

/** The names of the service's own events. A newer service, and the platform, may send others. */
export type EventType = keyof webhooks;

/** The event of a type. */
export type EventOf<T extends EventType> = webhooks[T] extends {
  post: { requestBody: { content: { "application/json": infer B } } };
} ? B : webhooks[T] extends { post: { requestBody?: { content: { "application/json": infer B } } } } ? B : never;

/** Any of the service's own events; `switch (event.type)` tells them apart. Have a `default`: others may come. */
export type PartnerEvent = { [T in EventType]: EventOf<T> }[EventType];

type HeaderFields = Headers | Iterable<readonly [string, string]> | Record<string, string | readonly string[] | undefined>;

/** A message from a queue, as text or parsed; or a webhook's headers and raw body. */
export type Message = string | Uint8Array | { headers: HeaderFields; body: string | Uint8Array };

export interface VerifyOptions {
  /** The signing secrets that are trusted, newest first; more than one while it is rotated. */
  secrets?: string | Secret | readonly (string | Secret)[];
  /** The service's keys, in place of secrets. Needs `orgId`. */
  keys?: KeySet;
  /** Your organisation: the service's keys sign for all of them. */
  orgId?: string;
  /** How far the time of sending may be from now, in seconds. 300 unless you say otherwise. */
  toleranceSeconds?: number;
  /** Opens what is encrypted to your RSA key (JWE). */
  privateKey?: PrivateKey;
  clock?: Clock;
}

/** What a good signature vouches for. */
export interface VerifiedMessage {
  /** The event's id, the same in every attempt: drop what you have handled. */
  id: string;
  /** When it was sent. */
  sentAt: Date;
  /** What was signed. */
  body: string;
}

/** Throws an EventVerificationError unless the message was signed for you, and lately. Does not read the body. */
export async function verifyMessage(message: Message, options: VerifyOptions): Promise<VerifiedMessage> {
  const { headers, body } = opened(message);
  const id = required(headers, "webhook-id");
  const timestamp = required(headers, "webhook-timestamp");
  const signatures = required(headers, "webhook-signature").split(" ");
  const signed = Buffer.from(`${id}.${timestamp}.${body}`);
  if (options.secrets !== undefined) insistOnSecret(signed, signatures, options.secrets);
  else if (options.keys !== undefined) await insistOnKey(signed, signatures, headers, options.keys);
  else throw new TypeError("verifying takes secrets or keys");
  const sentAt = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * 1000 : Number.NaN;
  const distance = Math.abs((options.clock ?? SYSTEM_CLOCK).now() - sentAt);
  if (!(distance <= (options.toleranceSeconds ?? 300) * 1000)) {
    throw new EventVerificationError("the message is too old, or of the future");
  }
  return { id, sentAt: new Date(sentAt), body };
}

/**
 * The event in a message, once it is known to be the service's. Throws an EventVerificationError if it is not.
 * Give `T` for the platform's own events and CloudEvents.
 */
export async function verifyEvent<T = PartnerEvent>(message: Message, options: VerifyOptions): Promise<T> {
  if (options.secrets === undefined && options.keys !== undefined && options.orgId === undefined) {
    throw new TypeError("keys sign for every organisation: verifying with them takes orgId");
  }
  const { body } = await verifyMessage(message, options);
  const event = readEvent(body, options.privateKey);
  if (options.orgId !== undefined && (event["org_id"] ?? event["orgid"]) !== options.orgId.toLowerCase()) {
    throw new EventVerificationError("the message is another organisation's");
  }
  return event as T;
}

function readEvent(body: string, privateKey: PrivateKey | undefined): Record<string, unknown> {
  const open = (text: string) => {
    if (privateKey === undefined) throw new EventVerificationError("the event is encrypted: give its privateKey, or use verifyMessage");
    return decryptJwe(text, privateKey);
  };
  let event: unknown;
  try {
    event = JSON.parse(body.startsWith("{") ? body : open(body));
  } catch (error) {
    if (error instanceof SyntaxError) throw new EventVerificationError("the signed body is no event");
    throw error;
  }
  if (typeof event !== "object" || event === null) throw new EventVerificationError("the signed body is no event");
  const read = event as Record<string, unknown>;
  if (read["datacontenttype"] === "application/jose" && typeof read["data"] === "string") {
    return { ...read, data: JSON.parse(open(read["data"])) };
  }
  return read;
}

function opened(message: Message): { headers: Map<string, string>; body: string } {
  let parsed: unknown = message;
  if (typeof message === "string" || message instanceof Uint8Array) {
    try {
      parsed = JSON.parse(text(message));
    } catch {
      throw new EventVerificationError("the message is not JSON");
    }
  }
  const { headers, body } = (parsed ?? {}) as { headers?: HeaderFields; body?: string | Uint8Array };
  if (typeof headers !== "object" || (typeof body !== "string" && !(body instanceof Uint8Array))) {
    throw new EventVerificationError("the message has no headers and body");
  }
  return { headers: fields(headers), body: text(body) };
}

/** Strict: bytes that are not UTF-8 would be replaced, and were not signed like that. */
function text(value: string | Uint8Array): string {
  if (typeof value === "string") return value;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new EventVerificationError("the message is not UTF-8");
  }
}

function fields(headers: HeaderFields): Map<string, string> {
  const pairs = Symbol.iterator in headers ? headers as Iterable<readonly [string, string]> : Object.entries(headers);
  const read = new Map<string, string>();
  for (const [name, value] of pairs) {
    const one = Array.isArray(value) ? value[0] : value;
    if (typeof one === "string") read.set(name.toLowerCase(), one);
  }
  return read;
}

function required(headers: Map<string, string>, name: string): string {
  const value = headers.get(name);
  if (value === undefined || value === "") throw new EventVerificationError(`the message has no ${name}`);
  return value;
}

function sent(signatures: string[], version: string): Buffer[] {
  const mark = `${version},`;
  return signatures.filter((each) => each.startsWith(mark)).map((each) => Buffer.from(each.slice(mark.length), "base64"));
}

function insistOnSecret(signed: Buffer, signatures: string[], secrets: NonNullable<VerifyOptions["secrets"]>): void {
  const trusted = (Array.isArray(secrets) ? secrets : [secrets]) as (string | Secret)[];
  const candidates = sent(signatures, "v1");
  let matches = false;
  for (const secret of trusted) {
    const expected = createHmac("sha256", secretBytes(revealed(secret))).update(signed).digest();
    for (const each of candidates) {
      if (each.length === expected.length && timingSafeEqual(each, expected)) matches = true;
    }
  }
  if (!matches) throw new EventVerificationError("the message was not signed with this secret, or was changed");
}

async function insistOnKey(signed: Buffer, signatures: string[], headers: Map<string, string>, keys: KeySet): Promise<void> {
  const key = await keys.key(required(headers, "webhook-signature-key-id"));
  if (!sent(signatures, "v1a").some((each) => verify(null, signed, key, each))) {
    throw new EventVerificationError("the message was not signed with this key, or was changed");
  }
}

/** As the service reads a secret: 64 or more, evenly many, hex digits are hex; all else is base64, of either kind. */
function secretBytes(secret: string): Buffer {
  const bare = secret.trim().replace(/^whsec_/, "");
  const isHex = bare.length >= 64 && bare.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(bare);
  const bytes = Buffer.from(bare, isHex ? "hex" : "base64");
  if (bytes.length < 16) throw new TypeError("a signing secret is too short to be one");
  return bytes;
}
