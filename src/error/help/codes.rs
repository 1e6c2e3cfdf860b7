//! The help with each code.

use super::{Help, Retry};
use crate::error::Code;

macro_rules! helps {
    ($($code:ident, $retry:ident: $happened:literal, $remedy:literal;)*) => {
        impl Code {
            /// What to tell whoever gets it.
            #[must_use]
            pub fn help(self) -> Help {
                match self {
                    $(Self::$code => Help { happened: $happened, remedy: $remedy, retry: Retry::$retry }),*
                }
            }
        }
    };
}

helps! {
    Unauthorized, Mended:
        "No credential came, or one that is not good: mistyped, expired, revoked, of another org, sent twice. Which of these is not said, so that nobody learns anything by trying.",
        "Send the tenant key as it was shown, in `taih-tenant-key`, and nothing around it. Look at the key's end in `GET /v1/admin/org/tenant-keys` with another key. If it was rotated, its grace window is over: use the successor. For a signed request ask `POST /v1/auth/signature/check`, which says what is wrong.";
    Forbidden, Mended:
        "The org is suspended, or there is none with that `OrgId`.",
        "Ask your integration contact. Keys and events are kept while an org is suspended.";
    NotFound, Mended:
        "There is no such path or resource, or it belongs to another org, which is answered the same.",
        "Compare the path with the reference, and the id with a list of your own. If it should be there, ask whether the key is of the org that made it.";
    MethodNotAllowed, Mended:
        "The path is right, and does not take this method.",
        "Use one of those in the header `Allow`.";
    InvalidRequest, Mended:
        "The request cannot be understood, or a queue's test message could not be delivered; the message says which. Under `/api/v1/key` it is the answer to any field that is not valid.",
        "Mend what the message, or under `/api/v1/key` each entry of `ExtraData`, names. For a queue, look at its address, and at what it says to a POST.";
    ConflictingCredentials, Mended:
        "A bearer token came together with a tenant key, an `OrgId` or a signature, and only one of them can say who calls.",
        "Send one of them. Look at what your HTTP client adds by default.";
    MisdirectedRequest, Mended:
        "The service believes `OrgId` without proof, which is for one machine only, and the request names another host.",
        "Call it as `localhost`, or by the address that `PUBLIC_URL` has. Behind a gateway, operations set `GATEWAY_SECRETS`.";
    PayloadTooLarge, Mended:
        "The body is larger than the route takes: 64 KiB, for bulk 10 MiB and 10,000 lines.",
        "Send less at a time; many users go to `POST /v1/users/bulk`, in several requests.";
    UnsupportedMediaType, Mended:
        "`Content-Type` is not the one that the route reads.",
        "Send `Content-Type: application/json`; `application/x-ndjson` for bulk, a form for the token endpoint.";
    RateLimited, After:
        "Your org asked for too much at once, or too often. Others are served meanwhile.",
        "Wait, and spread requests out. `RateLimit` and `RateLimit-Policy`, where there are any, say what is left. Fewer connections side by side help more than waiting longer.";
    InternalError, Unknown:
        "Something broke on our side. It was written down with the request id.",
        "Try again a few times. If it stays, tell your integration contact the `request_id`.";
    ServiceUnavailable, Unknown:
        "The service is overloaded, is being restarted, has lost its database, or the feature is not live; then the message names it and `Retry-After` is a day.",
        "Wait as `Retry-After` says. `GET /v1/features` lists what is live.";
    IdempotencyInProgress, Soon:
        "A request with the same `Idempotency-Key` is being carried out at this moment.",
        "Wait a second and send the same again: it gets the reply of the first.";
    IdempotencyKeyReused, Mended:
        "This `Idempotency-Key` was used within a day, on the same path and by the same credential, for another body.",
        "Take a new key for a new request. If it was meant as the same, send the very same body.";
    SecretNoLongerAvailable, Done:
        "The request was carried out before, and the time in which its secret could be read again, ten minutes by default, is over.",
        "`details` name what was made. If the secret was lost, make another one: rotate that key, or revoke it and mint.";
    InsufficientScope, Mended:
        "The key or token may not do this. `details` name the scope that is missing, never what the key has.",
        "Use a key with that scope, or let somebody who has it give it: `PATCH /v1/admin/org/tenant-keys/{key_id}`. A token gets it with `scope` of the token request.";
    KeySuperseded, Mended:
        "The key was rotated and is in its grace window. It still calls, and administers nothing: changing keys, secrets, queues, public keys and the org is the successor's.",
        "Use the successor. If you have no record of a rotation, somebody else made it: `POST /v1/admin/org/freeze` with any key, and tell your integration contact.";
    KeyNotConfirmed, Mended:
        "The key is the successor of a rotation in two phases that waits for its confirmation. It calls, and administers nothing yet.",
        "Confirm it with `POST /v1/admin/org/tenant-keys/{key_id}/confirm`, or do this with the key from before.";
    KeyLeaked, Mended:
        "The key was found where others can read it, and administers nothing any more. It ends soon, or has a new end: `GET /v1/admin/org/tenant-keys/{key_id}`.",
        "Deploy another key now; with that one, look at `leak` of the leaked key and replace it. If there is no other, ask your integration contact.";
    AdministrationFrozen, Mended:
        "Somebody with a key of yours, or operations, froze your org's administration. Traffic goes on; keys, secrets, queues and the org do not change.",
        "`GET /v1/admin/org` says since when and why. A signed `POST /v1/admin/org/thaw`, or your integration contact, releases it.";
    RotationPending, Mended:
        "This key is being rotated in two phases, and the successor that `details` name waits for its confirmation.",
        "Confirm the successor, or give it up with `DELETE`; then rotate.";
    RotationNotPending, Mended:
        "No rotation to this key or secret waits: it was confirmed before, was given up, ran out of time, or was immediate.",
        "Look at `rotation` in `GET /v1/admin/org/tenant-keys/{key_id}`. `grace` or `completed` is what you wanted.";
    NetworkNotAllowed, Mended:
        "The credential is bound to networks, its own or the org's, and this request comes from outside of them.",
        "Call from there, or add the network: `allowed_networks` of the key or of the org. If you locked yourself out, operations can open it.";
    WouldLockOut, Mended:
        "The networks that you set would refuse the address that you call from.",
        "Name its network as well, or set `network_policy` to `report` first and look for a week at what it would refuse.";
    OrgAlreadyExists, Mended:
        "For the platform's own services: there is an org with this key.",
        "Take it as made if it is yours, `GET /internal/orgs/{org}`, or choose another key.";
    BuiltInStream, Mended:
        "For the platform's own services: `users` and `credentials` are ours.",
        "Give your stream another name.";
    TooManyStreams, Mended:
        "For the platform's own services: there are 100 streams already.",
        "Put types of a kind on one stream; receivers filter by type.";
    ClaimGone, Mended:
        "The link to a new org's credentials works once and for 72 hours. It was opened already, or its time is over.",
        "If it was not you who opened it, somebody else has the credentials: tell your integration contact at once. Otherwise ask for a new link.";
    SignatureRequired, Mended:
        "Your org asks that this request be signed, and it was not.",
        "Sign it with a registered key of the usage `Authentication` (RFC 9421); `POST /v1/auth/signature/check` says what is wrong with a signature. A tenant key or token beside it is not enough.";
    LastAuthenticationKey, Mended:
        "Your org requires signatures, and without this key nobody could make one.",
        "Register its successor first, or set `signature_policy` to `optional` in a signed request.";
    NoResponseKey, Mended:
        "A signed response was asked for, and your org has no live pair to sign with.",
        "`POST /api/v1/key/generate` with the usage `ResponseSignature`, or leave out `Accept-Signature`.";
    DecryptionFailed, Mended:
        "The body came as `application/jose` and cannot be opened. Why is not said, so that nobody learns anything by trying.",
        "Encrypt to a live pair from `POST /api/v1/key/generate` with the usage `MessageLevelEncryption`: its `UniqueId` as `kid`, `RSA-OAEP-256`, `A256GCM` or `A128CBC-HS256`, no `zip`, no `crit`.";
    NoEncryptionKey, Mended:
        "Something was to be encrypted to you, and there is no live public key of yours for it.",
        "Register one with the usage that you named; `GET /api/v1/key/selection/{OwnerCode}` shows which key would be used, and why none.";
    AmbiguousTenantKey, Mended:
        "The request does not say which key to rotate, and it cannot be guessed: it was not made with a key, and there are several that could be meant, or none.",
        "Name it in `key_id`, or send the request with the key itself.";
    KeyAlreadyRotated, Done:
        "This key has a successor. Of any number of rotations at once one makes it, and the others get this.",
        "Use the successor. If its secret was lost with the reply, send the rotation again with its `Idempotency-Key` within ten minutes; after that, rotate the successor by its `key_id` with another key.";
    KeyNotLive, Mended:
        "The key has expired or was revoked, and a dead key never comes back.",
        "Mint another one.";
    TooManyLiveKeys, Mended:
        "Your org would have more than 10 live keys. Those in their grace window count.",
        "End one that is not used: `GET /v1/admin/org/tenant-keys/{key_id}/usage` tells. `details` name when the next one expires.";
    NoDeliveryKey, Mended:
        "`deliver_to` names no live public key of yours with the usage `CredentialsDownload`.",
        "Register one, or send the request without `deliver_to` and read the secret in the reply.";
    NoReportKey, Mended:
        "Reports are encrypted to you, and there is no live public key of yours with the usage `Reports`.",
        "Register one, then ask again.";
    TooManyReports, Soon:
        "Four of your org's reports wait or are being made, or a hundred are kept; the message says which.",
        "Wait for one to become `ready`, or delete one.";
    ReportNotReady, Soon:
        "The report waits, is still being made, or has failed.",
        "Look at `status` in `GET /v1/admin/org/reports/{report_id}`; `failed` has a `reason`.";
    RangeNotSatisfiable, Mended:
        "`Range` begins behind the end of the content.",
        "`Content-Range` says how long it is. If you were continuing a download, you have all of it; its `ETag` tells.";
    CannotRevokeSelf, Mended:
        "A key cannot end itself: a slip would lock you out.",
        "Rotate it, and end it with its successor.";
    TooManyLiveSecrets, Mended:
        "Your org would have more than 5 live signing secrets. Those in their grace window count.",
        "End a previous one: `DELETE /v1/auth/signing-secret/{secret_id}`.";
    SecretReused, Mended:
        "Your org has had this signing secret before, and whoever knew it then knows it now.",
        "Bring another one, or let the service make it.";
    CannotRevokeCurrent, Mended:
        "Events are signed with the current signing secret, so it cannot simply end.",
        "Rotate it, with `grace_period_seconds` 0 if it must end now.";
    SigningSecretNotConfigured, Mended:
        "Your org has no signing secret yet.",
        "`POST /v1/auth/signing-secret/rotate` makes the first one.";
    QueueAlreadyConfigured, Mended:
        "The stream has a queue, and a stream has one.",
        "Replace it with `PUT`, or `DELETE` it first. If you did not register it, freeze your org and tell your integration contact.";
    SigningSecretRequired, Mended:
        "A queue was to be registered before there is a secret to sign its messages with.",
        "`POST /v1/auth/signing-secret/rotate`, then register the queue.";
    QueueNotConfigured, Mended:
        "The stream has no queue. Its events wait for one, 14 days by default.",
        "Register one with `POST`.";
    QueueTypeMismatch, Mended:
        "Messages of a queue of type `poll` are fetched, those of every other type are sent, and this asked for the opposite.",
        "`GET /v1/admin/org/queues/{queue_name}` shows the type.";
    UnknownStream, Mended:
        "There is no stream of this name; a queue's name is its stream's.",
        "`GET /v1/event-types` lists the streams.";
    DuplicateKey, Done:
        "Your org has this very public key alive already.",
        "Use the one there is, `GET /api/v1/key/list/{OwnerCode}` has its `UniqueId`; move its end with `set-expiration`.";
    WeakKey, Mended:
        "The key would protect nothing: too short, made wrong, or published somewhere. `ExtraData` says which.",
        "Make another pair with a current tool: RSA of 3072 bits, or a new OpenPGP certificate. Do not use this one anywhere.";
    PrivateKey, Mended:
        "What came is, or holds, a private key. It was neither stored nor logged, but it has travelled.",
        "Treat that pair as burnt, make another one, and send its public half only.";
    PublicKeyNotLive, Mended:
        "The public key has expired or was deleted, and does not come back.",
        "Register another one.";
    TooManyKeys, Mended:
        "Your org would have more than 100 live public keys.",
        "Delete those that nothing is encrypted to any more.";
    ProofFailed, Mended:
        "The answer is not that of the newest challenge, its ten minutes are over, or five answers were judged. `ExtraData` says which.",
        "Ask for a new challenge. Decrypt it or sign it with the private half of this very key, and send exactly what comes out.";
    InvalidClient, Mended:
        "The assertion, its key or its client is not good. Which is not said, so that nobody learns anything by trying.",
        "Look at `kid` (the `UniqueId` of a live `Authentication` key), `iss` and `sub`, `aud` (this URL), `exp` (within five minutes), `jti` (new each time), `alg` and your clock.";
    UnauthorizedClient, Mended:
        "The org is suspended.",
        "Ask your integration contact.";
    UnsupportedGrantType, Mended:
        "`grant_type` is missing, or another one than there is.",
        "Send `grant_type=client_credentials`.";
    InvalidScope, Mended:
        "`scope` asks for something that there is not.",
        "Leave it out for all, or name scopes of `scopes_supported` in `/.well-known/oauth-authorization-server`, by single spaces.";
    UserNotFound, Mended:
        "Your org has no user with this `user_id`, so there is nobody to issue a token for.",
        "Create the user first, `POST /v1/users`.";
    UserAlreadyExists, Done:
        "Your org has a user with this `user_id`.",
        "Take it as created, or change it with `PATCH`. Of a request whose reply was lost, this is the good news.";
}
