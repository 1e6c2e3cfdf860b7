export { type BulkOptions } from "./bulk.js";
export { PartnerApi, type PartnerApiOptions } from "./client.js";
export { type Clock } from "./clock.js";
export { type KeySource, type OauthOptions } from "./credentials.js";
export {
  type AnyErrorCode, ApiError, ConnectionError, type Detail, type ErrorCode, EventVerificationError, type OauthErrorCode,
  PartnerApiError, type Problem, ResponseVerificationError, RotationError, TimeoutError,
} from "./errors.js";
export {
  type EventOf, type EventType, type Message, type PartnerEvent, type VerifiedMessage, verifyEvent, verifyMessage, type VerifyOptions,
} from "./events.js";
export { decryptJwe } from "./jwe.js";
export { type PrivateKey } from "./keys.js";
export { KeySet, type KeySetOptions } from "./keyset.js";
export { Pages } from "./paging.js";
export { type PolledMessage, type PollOptions } from "./poll.js";
export { type ResponseKeys } from "./responses.js";
export { type RetryOptions } from "./retry.js";
export { type KeyRotationOptions, type SecretRotationOptions } from "./rotation.js";
export { Secret } from "./secret.js";
export { type SigningOptions } from "./signing.js";
export { type Common, type Schemas } from "./types.js";
export { VERSION } from "./version.js";
