import { randomUUID, sign } from "node:crypto";
import type { Clock } from "./clock.js";
import { type PrivateKey, privateKeyOf } from "./keys.js";
import { Secret } from "./secret.js";
import { PSS } from "./signing.js";

/** A tenant key, or where to get it from: asked for each request, so that it may change. */
export type KeySource = string | Secret | (() => string | Secret | Promise<string | Secret>);

export interface OauthOptions {
  /** The `OwnerCode`, or the `RelatedClientId` of the registered key. */
  clientId: string;
  /** `UniqueId` of your registered key of the usage `Authentication`. */
  keyId: string;
  privateKey: PrivateKey;
  /** Scopes by spaces; without it, all. */
  scope?: string;
}

/** What says whose a request is. */
export interface Credentials {
  headers(signal: AbortSignal | undefined): Promise<Record<string, string>>;
  /** Whether it is worth another try after a 401. */
  renew(): boolean;
}

export class TenantKey implements Credentials {
  #source: KeySource;

  constructor(source: KeySource) {
    this.#source = source;
  }

  async headers(): Promise<Record<string, string>> {
    const key = typeof this.#source === "function" ? await this.#source() : this.#source;
    return { "taih-tenant-key": key instanceof Secret ? key.reveal() : key };
  }

  renew(): boolean {
    return false;
  }

  /** Whether the key is ours to replace. */
  isFixed(): boolean {
    return typeof this.#source !== "function";
  }

  replace(source: KeySource): void {
    this.#source = source;
  }
}

export class OrgId implements Credentials {
  constructor(private readonly orgId: string) {}

  async headers(): Promise<Record<string, string>> {
    return { OrgId: this.orgId };
  }

  renew(): boolean {
    return false;
  }
}

/** A request that the signature alone identifies. */
export class Nothing implements Credentials {
  async headers(): Promise<Record<string, string>> {
    return {};
  }

  renew(): boolean {
    return false;
  }
}

export interface TokenReply {
  access_token: string;
  expires_in: number;
}

/** Tokens by private_key_jwt (RFC 7523), fetched when the first request needs one, and again before it ends. */
export class OauthToken implements Credentials {
  readonly #options: OauthOptions;
  readonly #clock: Clock;
  readonly #fetch: (form: () => string, signal: AbortSignal | undefined) => Promise<TokenReply>;
  readonly #audience: string;
  readonly #key: ReturnType<typeof privateKeyOf>;
  #token: { value: Secret; until: number } | undefined;
  #pending: Promise<Secret> | undefined;

  constructor(
    options: OauthOptions,
    audience: string,
    clock: Clock,
    fetch: (form: () => string, signal: AbortSignal | undefined) => Promise<TokenReply>,
  ) {
    this.#options = options;
    this.#audience = audience;
    this.#clock = clock;
    this.#fetch = fetch;
    this.#key = privateKeyOf(options.privateKey);
  }

  async headers(signal: AbortSignal | undefined): Promise<Record<string, string>> {
    return { authorization: `Bearer ${(await this.#current(signal)).reveal()}` };
  }

  renew(): boolean {
    const had = this.#token !== undefined;
    this.#token = undefined;
    return had;
  }

  async #current(signal: AbortSignal | undefined): Promise<Secret> {
    signal?.throwIfAborted();
    if (this.#token !== undefined && this.#clock.now() < this.#token.until) return this.#token.value;
    // One fetch serves all who wait for it; it goes on if one of them gives up.
    this.#pending ??= this.#renewed().finally(() => {
      this.#pending = undefined;
    });
    return unlessAborted(this.#pending, signal);
  }

  async #renewed(): Promise<Secret> {
    const reply = await this.#fetch(() => this.#form(), undefined);
    const value = new Secret(reply.access_token);
    this.#token = { value, until: this.#clock.now() + reply.expires_in * 900 };
    return value;
  }

  /** An assertion is good once, so each try has its own. */
  #form(): string {
    const { clientId, keyId, scope } = this.#options;
    const issued = Math.floor(this.#clock.now() / 1000);
    const claims = { iss: clientId, sub: clientId, aud: this.#audience, iat: issued, exp: issued + 60, jti: randomUUID() };
    const signed = `${encoded({ alg: "PS512", typ: "JWT", kid: keyId })}.${encoded(claims)}`;
    const signature = sign("sha512", Buffer.from(signed), { key: this.#key, ...PSS }).toString("base64url");
    return new URLSearchParams({
      grant_type: "client_credentials",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: `${signed}.${signature}`,
      ...(scope === undefined ? {} : { scope }),
    }).toString();
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
