import { generateKeyPairSync } from "node:crypto";
import { type Clock, PartnerApi, type PartnerApiOptions } from "../src/index.js";

/** An instant to begin with: 2026-11-21T08:00:00Z. */
export const START = 1_795_248_000_000;

/** Time that moves when somebody waits, and chance that is always one half. */
export class TestClock implements Clock {
  waits: number[] = [];

  constructor(private ms = START) {}

  now(): number {
    return this.ms;
  }

  random(): number {
    return 0.5;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.waits.push(ms);
    this.ms += ms;
  }

  pass(ms: number): void {
    this.ms += ms;
  }
}

export interface Seen {
  method: string;
  url: URL;
  headers: Headers;
  body: string;
}

export type Reply = Response | Error;

/** A service that answers as it is told, and what it saw. */
export class Service {
  seen: Seen[] = [];
  readonly clock = new TestClock();

  constructor(private readonly answer: (request: Seen, count: number) => Reply | Promise<Reply>) {}

  readonly fetch: typeof fetch = async (input, init) => {
    init?.signal?.throwIfAborted();
    const body = init?.body instanceof Uint8Array ? new TextDecoder().decode(init.body) : "";
    const request = { method: init?.method ?? "GET", url: new URL(String(input)), headers: new Headers(init?.headers), body };
    this.seen.push(request);
    const reply = await this.answer(request, this.seen.length);
    if (reply instanceof Error) throw reply;
    return reply;
  };

  client(options: Partial<PartnerApiOptions> = {}): PartnerApi {
    const key = options.orgId ?? options.oauth ?? options.signing ? {} : { key: "tk_test_secret" };
    return new PartnerApi({ baseUrl: "https://api.example.com", ...key, fetch: this.fetch, clock: this.clock, ...options });
  }
}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", ...headers } });
}

export function failure(code: string, status: number, headers: Record<string, string> = {}): Response {
  return json({ error: { code, message: "why", details: [], request_id: "request-1" } }, status, headers);
}

export function cut(): Error {
  return Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error("gone"), { code: "ECONNRESET" }) });
}

export const PAIR = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
