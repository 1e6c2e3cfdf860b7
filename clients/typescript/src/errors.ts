import type { components } from "./generated/schema.js";

type Schemas = components["schemas"];

/** The closed set of codes that the service answers with. */
export type ErrorCode = Schemas["ErrorCode"];
/** The codes of the token endpoint (RFC 6749, 5.2). */
export type OauthErrorCode = Schemas["OauthErrorCode"];
/** One thing that is wrong with a request: where, what, and of which kind. */
export type Problem = Schemas["Problem"];
/** What an error names beside its message. */
export type Detail = Schemas["Detail"];

/** `validation`: see `problems`. `unexpected_response`: the answer is not of this service, such as a proxy's page. */
export type AnyErrorCode = ErrorCode | OauthErrorCode | "validation" | "unexpected_response";

/** Whatever this package throws on purpose. */
export class PartnerApiError extends Error {
  override name = "PartnerApiError";
}

/** No answer came, or none that was whole, after all retries. `cause` says why. */
export class ConnectionError extends PartnerApiError {
  override name = "ConnectionError";
}

/** No answer came in time. */
export class TimeoutError extends ConnectionError {
  override name = "TimeoutError";
}

/** An event that must not be trusted. */
export class EventVerificationError extends PartnerApiError {
  override name = "EventVerificationError";
}

/** A response that is not the service's answer to this request. */
export class ResponseVerificationError extends PartnerApiError {
  override name = "ResponseVerificationError";
}

/** A rotation that did not come to its end. */
export class RotationError extends PartnerApiError {
  override name = "RotationError";

  constructor(
    message: string,
    /** `abandoned`: all is as before. `pending`: the new one waits, and ends by itself if nobody confirms it. */
    readonly state: "abandoned" | "pending",
    /** Of the new key or secret. */
    readonly id: string,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface ApiErrorFields {
  status: number;
  code: AnyErrorCode;
  message: string;
  details?: Detail[];
  problems?: Problem[];
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
}

/** An answer that is an error. Decide by `code`, never by the message. */
export class ApiError extends PartnerApiError {
  override name = "ApiError";
  readonly status: number;
  /** A newer service may answer with codes that this version does not know. */
  readonly code: AnyErrorCode;
  readonly details: readonly Detail[];
  /** Everything that is wrong with the request, where `code` is `validation`. */
  readonly problems: readonly Problem[];
  /** Quote it to support. */
  readonly requestId: string | undefined;
  /** How long to wait before another try, in milliseconds, where the answer says so. */
  readonly retryAfterMs: number | undefined;
  /** Whether a try before this answer broke off, so that it may have been carried out. */
  brokeOff = false;

  constructor(fields: ApiErrorFields) {
    const id = fields.requestId === undefined ? "" : ` (request ${fields.requestId})`;
    super(`${fields.status} ${fields.code}: ${fields.message}${id}`);
    this.status = fields.status;
    this.code = fields.code;
    this.details = fields.details ?? [];
    this.problems = fields.problems ?? [];
    this.requestId = fields.requestId;
    this.retryAfterMs = fields.retryAfterMs;
  }

  /** Whether it is one of these. */
  is(...codes: AnyErrorCode[]): boolean {
    return codes.includes(this.code);
  }
}

interface Envelope {
  error?: Schemas["ErrorBody"] | OauthErrorCode;
  error_description?: string;
  detail?: Problem[];
  TraceId?: string;
  Error?: Schemas["TracedErrorBody"];
}

/** The error that an answer is, in any of the service's shapes. */
export function errorOf(status: number, headers: Headers, body: string, now: number): ApiError {
  const common = {
    status,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfterMs: retryAfter(headers.get("retry-after"), now),
  };
  const envelope = parsed(body);
  if (typeof envelope?.error === "object") {
    const { code, message, details, request_id } = envelope.error;
    return new ApiError({ ...common, code, message, details, requestId: request_id });
  }
  if (typeof envelope?.error === "string") {
    return new ApiError({ ...common, code: envelope.error, message: envelope.error_description ?? "" });
  }
  if (envelope?.Error !== undefined) {
    const { Code: code, Message: message, ExtraData } = envelope.Error;
    const details = Object.entries(ExtraData).map(([field, why]) => ({ field, code, message: why }));
    return new ApiError({ ...common, code, message, details, requestId: envelope.TraceId });
  }
  if (Array.isArray(envelope?.detail)) {
    const message = envelope.detail.map(({ loc, msg }) => `${loc.join(".")} ${msg}`).join("; ");
    return new ApiError({ ...common, code: "validation", message, problems: envelope.detail });
  }
  return new ApiError({ ...common, code: "unexpected_response", message: "the answer has none of the service's shapes" });
}

function parsed(body: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds, of seconds or an HTTP date (RFC 9110, 10.2.3). */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
