import { randomUUID } from "node:crypto";
import { bulk, type BulkOptions } from "./bulk.js";
import { type Clock, SYSTEM_CLOCK } from "./clock.js";
import { type Credentials, type KeySource, Nothing, OauthToken, type OauthOptions, OrgId, TenantKey, type TokenReply } from "./credentials.js";
import { ApiError } from "./errors.js";
import { KeySet } from "./keyset.js";
import { Pages } from "./paging.js";
import { poll, type PollOptions, type PolledMessage } from "./poll.js";
import { ResponseVerifier, type ResponseKeys } from "./responses.js";
import { RETRY, type RetryOptions } from "./retry.js";
import { SigningSecretRotation, TenantKeyRotation } from "./rotation.js";
import { type Outgoing, RequestSigner, type SigningOptions } from "./signing.js";
import { type Answer, Transport } from "./transport.js";
import type { Arguments, Common, ItemOf, ListPath, Method, OperationOf, OptionsOf, PathOf, ReplyOf, Schemas } from "./types.js";
import { baseOf, fill } from "./url.js";
import { VERSION } from "./version.js";

export interface PartnerApiOptions {
  /** Where the service is, as your contract says. https, but for this machine. */
  baseUrl: string;
  /** A tenant API key, or where to get it. */
  key?: KeySource;
  /** In local development, without a gateway: your organisation's id in place of a key. */
  orgId?: string;
  /** Signs every request, in place of a key or beside one. */
  signing?: SigningOptions;
  /** Tokens by a registered key, in place of a tenant key. */
  oauth?: OauthOptions;
  /** Asks for signed responses, and takes no others. */
  responseKeys?: ResponseKeys;
  /** Of each try, in milliseconds: 15,000. */
  timeoutMs?: number;
  /** How to try again; `{ retries: 0 }` does not. */
  retry?: Partial<RetryOptions>;
  /** Put before this package's own name in `user-agent`, such as `acme-billing/2.1`. */
  userAgent?: string;
  /** Allows http to other machines. The key is then there for all to read. */
  allowHttp?: boolean;
  fetch?: typeof fetch;
  clock?: Clock;
}

type AnyOptions = Common & { path?: object; query?: object; body?: unknown };

/** What must not be sent twice, since the service does not know it again. */
const ONCE = new Set(["/v1/claims/{token}"]);
const TOKEN_PATH = "/v1/oauth/token";

/**
 * A client of one organisation. Paths and shapes are those of the OpenAPI document; replies of one thing come without
 * their `data` envelope. Every call throws an ApiError, a ConnectionError, or the signal's reason.
 */
export class PartnerApi {
  /** Rotates tenant keys. */
  readonly tenantKey: TenantKeyRotation;
  /** Rotates the secret that events are signed with. */
  readonly signingSecret: SigningSecretRotation;
  /** The keys that events are verified with, for `verifyEvent`. */
  readonly eventKeys: KeySet;
  readonly #options: PartnerApiOptions;
  readonly #base: string;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  readonly #transport: Transport;

  constructor(options: PartnerApiOptions) {
    this.#options = options;
    this.#base = baseOf(options.baseUrl, options.allowHttp ?? false);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#credentials = this.#credentialsOf(options);
    const wire = { fetch: options.fetch ?? fetch, clock: this.#clock, retry: { ...RETRY, ...options.retry } };
    const verifier = options.responseKeys === undefined ? undefined : new ResponseVerifier(options.responseKeys);
    const signer = options.signing === undefined ? undefined : new RequestSigner(options.signing);
    this.#transport = new Transport({ ...wire, signer, verifier });
    this.tenantKey = new TenantKeyRotation(this);
    this.signingSecret = new SigningSecretRotation(this);
    this.eventKeys = new KeySet(this.#base, { fetch: wire.fetch, clock: this.#clock });
  }

  async get<P extends PathOf<"get">>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"get", P>>>
  ): Promise<ReplyOf<OperationOf<"get", P>>> {
    return this.#call("get", path, options as AnyOptions) as Promise<ReplyOf<OperationOf<"get", P>>>;
  }

  async post<P extends PathOf<"post">>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"post", P>>>
  ): Promise<ReplyOf<OperationOf<"post", P>>> {
    return this.#call("post", path, options as AnyOptions) as Promise<ReplyOf<OperationOf<"post", P>>>;
  }

  async put<P extends PathOf<"put">>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"put", P>>>
  ): Promise<ReplyOf<OperationOf<"put", P>>> {
    return this.#call("put", path, options as AnyOptions) as Promise<ReplyOf<OperationOf<"put", P>>>;
  }

  async patch<P extends PathOf<"patch">>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"patch", P>>>
  ): Promise<ReplyOf<OperationOf<"patch", P>>> {
    return this.#call("patch", path, options as AnyOptions) as Promise<ReplyOf<OperationOf<"patch", P>>>;
  }

  /** Of a try whose reply was lost, a 404 for the next one says that it was carried out: it is no error then. */
  async delete<P extends PathOf<"delete">>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"delete", P>>>
  ): Promise<ReplyOf<OperationOf<"delete", P>>> {
    try {
      return await this.#call("delete", path, options as AnyOptions) as ReplyOf<OperationOf<"delete", P>>;
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found" && error.brokeOff) {
        return undefined as ReplyOf<OperationOf<"delete", P>>;
      }
      throw error;
    }
  }

  /** A list, page by page as it is iterated over. `limit` is the size of a page. */
  list<P extends ListPath>(
    path: P, ...[options]: Arguments<OptionsOf<OperationOf<"get", P>>>
  ): Pages<ItemOf<OperationOf<"get", P>>> {
    type Item = ItemOf<OperationOf<"get", P>>;
    const given: AnyOptions = (options ?? {}) as AnyOptions;
    return new Pages<Item>(async (cursor) => {
      const isPascal = path.startsWith("/api/v1/key/");
      const from = isPascal ? (cursor === "" ? {} : { next: cursor }) : { cursor };
      const page = await this.#call("get", path, { ...given, query: { ...given.query, ...from } });
      const { data, pagination, Items, Next } = page as {
        data?: Item[]; pagination?: { next_cursor?: string | null }; Items?: Item[]; Next?: string | null;
      };
      return { items: data ?? Items ?? [], next: pagination?.next_cursor ?? Next };
    });
  }

  /** Creates any number of users, a thousand in a request; what became of each, in order. */
  createUsers(
    users: Iterable<Schemas["CreateUser"]> | AsyncIterable<Schemas["CreateUser"]>, options: BulkOptions = {},
  ): AsyncGenerator<Schemas["BulkResult"], void, undefined> {
    return bulk(users, options, (lines) => this.#text("/v1/users/bulk", "application/x-ndjson", lines, options));
  }

  /** The content of a report that is ready, encrypted to your key as it is kept. */
  async downloadReport(reportId: string, options: Common = {}): Promise<Uint8Array> {
    const path = "/v1/admin/org/reports/{report_id}/content";
    const answer = await this.#send("get", path, {}, undefined, { ...options, path: { report_id: reportId } });
    return answer.body;
  }

  /**
   * The messages of a queue of the type `poll`, without end, each acknowledged when the next one is asked for.
   * Leaving the loop at a message leaves that message to come again, after a minute.
   */
  poll(stream: string, options: PollOptions): AsyncGenerator<PolledMessage, void, undefined> {
    return poll(this, stream, options, this.#clock);
  }

  /** The same service and options with another tenant key. */
  withKey(key: KeySource): PartnerApi {
    const { orgId: _, oauth: __, ...options } = this.#options;
    return new PartnerApi({ ...options, key });
  }

  /** Goes on with another tenant key. Says whether there was one to replace: a key from a function is that function's. */
  useKey(key: KeySource): boolean {
    if (!(this.#credentials instanceof TenantKey) || !this.#credentials.isFixed()) return false;
    this.#credentials.replace(key);
    return true;
  }

  /** Whether it calls with a tenant key. */
  get hasKey(): boolean {
    return this.#credentials instanceof TenantKey;
  }

  /** Whether it calls with a tenant key of its own. */
  get hasFixedKey(): boolean {
    return this.#credentials instanceof TenantKey && this.#credentials.isFixed();
  }

  async #call(method: Method, path: string, options: AnyOptions = {}): Promise<unknown> {
    const headers: Record<string, string> = { accept: "application/json" };
    let body: Uint8Array<ArrayBuffer> | undefined;
    if (options.body !== undefined) {
      body = new TextEncoder().encode(JSON.stringify(options.body));
      headers["content-type"] = "application/json";
    }
    if (method === "post") headers["idempotency-key"] = options.idempotencyKey ?? randomUUID();
    const answer = await this.#send(method, path, headers, body, options);
    return answer.body.length === 0 ? undefined : bare(read(answer));
  }

  async #text(path: string, type: string, text: string, options: Common): Promise<string> {
    const body = new TextEncoder().encode(text);
    const answer = await this.#send("post", path, { "content-type": type }, body, options);
    return new TextDecoder().decode(answer.body);
  }

  #send(
    method: Method, path: string, headers: Record<string, string>, body: Uint8Array<ArrayBuffer> | undefined, options: AnyOptions,
  ): Promise<Answer> {
    const url = this.#base + fill(path, options.path ?? {}, options.query ?? {});
    const request = (): Outgoing => ({
      method: method.toUpperCase(), url, headers: { "user-agent": this.#userAgent(), ...headers }, body,
    });
    return this.#transport.send(this.#credentials, request, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? this.#options.timeoutMs ?? 15_000,
      isRepeatable: !ONCE.has(path),
    });
  }

  #userAgent(): string {
    const own = `partner-api-typescript/${VERSION} (node ${process.versions.node})`;
    return this.#options.userAgent === undefined ? own : `${this.#options.userAgent} ${own}`;
  }

  #credentialsOf({ key, orgId, oauth, signing }: PartnerApiOptions): Credentials {
    const given = [key, orgId, oauth].filter((each) => each !== undefined).length;
    if (given > 1) throw new TypeError("give one of key, orgId and oauth: the service refuses two");
    if (given === 0 && signing === undefined) throw new TypeError("give one of key, orgId, oauth and signing");
    if (oauth !== undefined && signing !== undefined) throw new TypeError("a token goes beside no signature: give oauth or signing");
    if (key !== undefined) return new TenantKey(key);
    if (orgId !== undefined) return new OrgId(orgId);
    if (oauth === undefined) return new Nothing();
    return new OauthToken(oauth, this.#base + TOKEN_PATH, this.#clock, (form) => this.#token(form));
  }

  async #token(form: () => string): Promise<TokenReply> {
    const request = (): Outgoing => ({
      method: "POST",
      url: this.#base + TOKEN_PATH,
      headers: { "user-agent": this.#userAgent(), "content-type": "application/x-www-form-urlencoded" },
      body: new TextEncoder().encode(form()),
    });
    const options = { signal: undefined, timeoutMs: this.#options.timeoutMs ?? 15_000, isRepeatable: true };
    const answer = await this.#transport.send(new Nothing(), request, options);
    return read(answer) as TokenReply;
  }
}

function read({ status, headers, body }: Answer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    const requestId = headers.get("x-request-id") ?? undefined;
    throw new ApiError({ status, code: "unexpected_response", message: "the answer is not JSON", requestId });
  }
}

/** A reply of one thing, without its envelope. */
function bare(reply: unknown): unknown {
  const isEnvelope = typeof reply === "object" && reply !== null && "data" in reply && Object.keys(reply).length === 1;
  return isEnvelope ? reply.data : reply;
}
