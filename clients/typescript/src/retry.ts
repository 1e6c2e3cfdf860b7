import type { Clock } from "./clock.js";
import { ApiError, ConnectionError } from "./errors.js";

export interface RetryOptions {
  /** How many times a request is sent again at most. */
  retries: number;
  /** What the first wait is about, in milliseconds; each further one is about twice as long. */
  firstDelayMs: number;
  longestDelayMs: number;
  /** Where `Retry-After` asks for more, the error is thrown at once. */
  longestRetryAfterMs: number;
}

export const RETRY: RetryOptions = { retries: 4, firstDelayMs: 250, longestDelayMs: 8_000, longestRetryAfterMs: 60_000 };

/**
 * How long to wait before the same request is sent again, in milliseconds; undefined: not at all.
 * Retried are 429, 503 and broken connections; and, after one of these, `idempotency_in_progress`: the first
 * try is still being answered.
 */
export function delayBefore(error: unknown, attempt: number, options: RetryOptions, clock: Clock): number | undefined {
  if (attempt >= options.retries || !passes(error, attempt)) return undefined;
  const backoff = Math.min(options.firstDelayMs * 2 ** attempt, options.longestDelayMs);
  const delay = backoff * (0.5 + clock.random() / 2);
  const asked = error instanceof ApiError ? error.retryAfterMs : undefined;
  if (asked === undefined) return delay;
  // Those who were told the same time do not come all at once.
  return asked > options.longestRetryAfterMs ? undefined : asked + delay / 2;
}

function passes(error: unknown, attempt: number): boolean {
  if (error instanceof ConnectionError) return true;
  if (!(error instanceof ApiError)) return false;
  return error.status === 429 || error.status === 503 || (attempt > 0 && error.code === "idempotency_in_progress");
}
