import { createPublicKey, type KeyObject } from "node:crypto";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { ConnectionError, EventVerificationError } from "./errors.js";

export interface KeySetOptions {
  fetch?: typeof fetch;
  clock?: Clock;
  timeoutMs?: number;
}

interface Jwk {
  kid: string;
  kty: string;
  crv: string;
  x: string;
}

/** An unknown key makes us ask again, but not more often than this: anybody can name one. */
const ASK_AGAIN_MS = 30_000;
const DEFAULT_AGE_MS = 3_600_000;
const MOST_BYTES = 1 << 20;

/** The keys with which the service signs events (`v1a`), fetched when they are needed and kept as long as it says. */
export class KeySet {
  readonly #url: string;
  readonly #options: Required<KeySetOptions>;
  #keys = new Map<string, KeyObject>();
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #goodUntil = Number.NEGATIVE_INFINITY;
  #pending: Promise<void> | undefined;

  /** `baseUrl` is the service's address, as you know it: never one from a message. */
  constructor(baseUrl: string, options: KeySetOptions = {}) {
    this.#url = `${baseUrl.replace(/\/+$/, "")}/.well-known/webhook-keys.json`;
    this.#options = { fetch: globalThis.fetch, clock: SYSTEM_CLOCK, timeoutMs: 10_000, ...options };
  }

  /** Throws an EventVerificationError if there is no such key, and a ConnectionError if that cannot be known. */
  async key(kid: string): Promise<KeyObject> {
    const now = this.#options.clock.now();
    const isStale = now >= this.#goodUntil;
    if (isStale || (!this.#keys.has(kid) && now >= this.#fetchedAt + ASK_AGAIN_MS)) {
      await this.#refresh();
    }
    const key = this.#keys.get(kid);
    if (key === undefined) throw new EventVerificationError("the message is signed by a key that the service does not have");
    return key;
  }

  async #refresh(): Promise<void> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined;
    });
    await this.#pending;
  }

  async #fetch(): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await this.#options.fetch(this.#url, { redirect: "error", signal });
      const text = await response.text();
      if (!response.ok || text.length > MOST_BYTES) throw new Error(`status ${response.status}`);
      const { keys } = JSON.parse(text) as { keys: Jwk[] };
      const mine = keys.filter(({ kty, crv }) => kty === "OKP" && crv === "Ed25519");
      this.#keys = new Map(mine.map(({ kid, kty, crv, x }) => [kid, createPublicKey({ key: { kty, crv, x }, format: "jwk" })]));
      this.#fetchedAt = clock.now();
      this.#goodUntil = clock.now() + age(response.headers.get("cache-control"));
    } catch (error) {
      throw new ConnectionError("the service's keys could not be fetched", { cause: error });
    }
  }
}

function age(cacheControl: string | null): number {
  const seconds = /(?:^|[\s,])max-age=(\d+)/.exec(cacheControl ?? "")?.[1];
  return seconds === undefined ? DEFAULT_AGE_MS : Number(seconds) * 1000;
}
