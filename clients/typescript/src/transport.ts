import type { Clock } from "./clock.js";
import type { Credentials } from "./credentials.js";
import { ApiError, ConnectionError, errorOf, TimeoutError } from "./errors.js";
import type { ResponseVerifier } from "./responses.js";
import { delayBefore, type RetryOptions } from "./retry.js";
import type { Outgoing, RequestSigner } from "./signing.js";

/** A whole answer. */
export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** Whether a try before this one broke off, so that it may have been carried out already. */
  brokeOff: boolean;
}

export interface SendOptions {
  signal: AbortSignal | undefined;
  timeoutMs: number;
  /** Whether it may be sent again when nobody knows if it arrived. */
  isRepeatable: boolean;
}

export interface Wire {
  fetch: typeof fetch;
  clock: Clock;
  retry: RetryOptions;
  signer: RequestSigner | undefined;
  verifier: ResponseVerifier | undefined;
}

/** Sends requests until one is answered: with credentials, signed anew each time, verified. */
export class Transport {
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** A 2xx. Throws an ApiError for any other answer, and a ConnectionError where none came. */
  async send(credentials: Credentials, request: () => Outgoing, options: SendOptions): Promise<Answer> {
    const { clock, retry } = this.#wire;
    let brokeOff = false;
    let renewed = false;
    for (let attempt = 0; ; attempt += 1) {
      options.signal?.throwIfAborted();
      try {
        return { ...(await this.#attempt(credentials, request(), options)), brokeOff };
      } catch (error) {
        if (error instanceof ApiError && error.status === 401 && !renewed && credentials.renew()) {
          renewed = true;
          continue;
        }
        if (error instanceof ApiError) error.brokeOff = brokeOff;
        const isLost = error instanceof ConnectionError;
        const delay = isLost && !options.isRepeatable ? undefined : delayBefore(error, attempt, retry, clock);
        if (delay === undefined) throw error;
        brokeOff ||= isLost;
        await clock.sleep(delay, options.signal);
      }
    }
  }

  async #attempt(credentials: Credentials, request: Outgoing, options: SendOptions): Promise<Omit<Answer, "brokeOff">> {
    const { clock, signer, verifier } = this.#wire;
    Object.assign(request.headers, await credentials.headers(options.signal), verifier?.headers);
    if (signer !== undefined) Object.assign(request.headers, signer.headersFor(request, clock.now()));
    const answer = await this.#exchange(request, options);
    verifier?.verify(request, answer.status, answer.headers, answer.body, clock.now());
    if (answer.status < 200 || answer.status > 299) {
      throw errorOf(answer.status, answer.headers, new TextDecoder().decode(answer.body), clock.now());
    }
    return answer;
  }

  async #exchange(request: Outgoing, options: SendOptions): Promise<Omit<Answer, "brokeOff">> {
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    try {
      const response = await this.#wire.fetch(request.url, {
        method: request.method,
        headers: request.headers,
        body: request.body ?? null,
        // A redirect would take the credentials elsewhere.
        redirect: "manual",
        signal,
      });
      return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (timeout.aborted) throw new TimeoutError(`no answer within ${options.timeoutMs} ms`, { cause: error });
      throw new ConnectionError(`the connection failed: ${reason(error)}`, { cause: error });
    }
  }
}

/** The class of a failure, such as ECONNREFUSED. */
function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause ?? error : error;
  if (typeof cause === "object" && cause !== null && "code" in cause) return String(cause.code);
  return cause instanceof Error ? cause.message : "unknown";
}
