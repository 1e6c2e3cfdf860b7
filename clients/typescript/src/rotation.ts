import { randomUUID } from "node:crypto";
import type { PartnerApi } from "./client.js";
import { ApiError, RotationError } from "./errors.js";
import { Secret } from "./secret.js";
import type { Schemas } from "./types.js";

interface Common {
  /** How long the old one still works once the new one is confirmed, in seconds. A day unless you say otherwise. */
  gracePeriodSeconds?: number;
  /** How long there is to deploy and prove, in seconds. After that the new one ends. A day unless you say otherwise. */
  confirmWithinSeconds?: number;
  signal?: AbortSignal;
}

export interface KeyRotationOptions extends Common {
  /** The key to rotate. Without it, the client's own. */
  keyId?: string;
  /** Stores the new key and brings it to wherever it is used. If it throws, the rotation is given up. */
  deploy(key: Secret, rotation: { keyId: string; confirmBy: Date }): Promise<void> | void;
  /** Convinces you that what was deployed works. `client` calls with the new key, which has answered already. */
  prove?(client: PartnerApi): Promise<void> | void;
}

export interface SecretRotationOptions extends Common {
  /** Adds the new secret to all verifiers, beside the old one. If it throws, the rotation is given up. */
  deploy(secret: Secret, rotation: { secretId: string; confirmBy: Date }): Promise<void> | void;
  /** Convinces you that events verify with the new secret: they carry its signature from now on. */
  prove?(client: PartnerApi): Promise<void> | void;
}

/** What the steps of both rotations need to know. */
interface Steps {
  id: string;
  options: Common;
  deployAndProve(): Promise<void>;
  confirm(idempotencyKey: string): Promise<void>;
  /** Whether it has been confirmed, although that reply was lost. */
  isConfirmed(): Promise<boolean>;
  /** Whether the service refuses to abandon what has been confirmed, so that trying to is no risk. */
  isGuarded: boolean;
  abandon(): Promise<void>;
}

export class TenantKeyRotation {
  readonly #client: PartnerApi;

  constructor(client: PartnerApi) {
    this.#client = client;
  }

  /**
   * Rotates a tenant key without downtime, in two phases: a new key is made, which already works; you deploy and prove
   * it; it is confirmed with itself, and the old key's grace period begins. If a step fails, the new key ends, the old
   * one stands, and a RotationError says so. A client that has the key as a string goes on with the new one.
   */
  async rotateSafely(options: KeyRotationOptions): Promise<Schemas["ConfirmedRotation"]> {
    const client = this.#client;
    const made = await client.post("/v1/auth/tenant-key/rotate", {
      body: { ...(options.keyId === undefined ? {} : { key_id: options.keyId }), activation: "on_confirm", ...periods(options) },
      ...signalOf(options),
    });
    const key = new Secret(shown(made.new_tenant_api_key));
    const successor = client.withKey(key);
    const path = { key_id: made.key_id };
    let confirmed: Schemas["ConfirmedRotation"] | undefined;
    await inTwoPhases({
      id: made.key_id,
      options,
      // The old key is superseded by then, and a key does not revoke itself; other credentials could.
      isGuarded: options.keyId === undefined && client.hasKey,
      deployAndProve: async () => {
        await options.deploy(key, { keyId: made.key_id, confirmBy: by(made.confirmation_expires_at) });
        await answers(successor, options);
        await options.prove?.(successor);
      },
      confirm: async (idempotencyKey) => {
        confirmed = await successor.post("/v1/admin/org/tenant-keys/{key_id}/confirm", {
          path, idempotencyKey, ...signalOf(options),
        });
      },
      isConfirmed: async () => {
        const { rotation } = await client.get("/v1/admin/org/tenant-keys/{key_id}", { path });
        return rotation !== null && rotation.state !== "pending";
      },
      abandon: async () => {
        await client.delete("/v1/admin/org/tenant-keys/{key_id}", { path });
      },
    });
    if (options.keyId === undefined && client.hasFixedKey) client.useKey(key);
    if (confirmed !== undefined) return confirmed;
    const { rotation } = await client.get("/v1/admin/org/tenant-keys/{key_id}", { path });
    return { key_id: made.key_id, previous_key_id: made.previous_key_id, previous_key_expires_at: rotation?.ends_at ?? "" };
  }
}

export class SigningSecretRotation {
  readonly #client: PartnerApi;

  constructor(client: PartnerApi) {
    this.#client = client;
  }

  /**
   * Rotates the event-signing secret in two phases: every event carries a signature of the new secret beside the old
   * one's; you give it to your verifiers and prove it; it is confirmed, and the old one's grace period begins. If a step
   * fails, the new secret ends, the old one stands, and a RotationError says so.
   */
  async rotateSafely(options: SecretRotationOptions): Promise<{ secretId: string; previousSecretExpiresAt: Date | undefined }> {
    const client = this.#client;
    const made = await client.post("/v1/auth/signing-secret/rotate", {
      body: { activation: "on_confirm", ...periods(options) }, ...signalOf(options),
    });
    const secret = new Secret(shown(made.new_signing_secret));
    const path = { secret_id: made.secret_id };
    // The first one of an organisation has nothing to wait for.
    const waits = typeof made.confirmation_expires_at === "string";
    let end = made.previous_secret_expires_at;
    await inTwoPhases({
      id: made.secret_id,
      options,
      isGuarded: true,
      deployAndProve: async () => {
        await options.deploy(secret, { secretId: made.secret_id, confirmBy: by(made.confirmation_expires_at) });
        await options.prove?.(client);
      },
      confirm: async (idempotencyKey) => {
        if (!waits) return;
        const confirmed = await client.post("/v1/auth/signing-secret/{secret_id}/confirm", {
          path, idempotencyKey, ...signalOf(options),
        });
        end = confirmed.previous_secret_expires_at;
      },
      isConfirmed: async () => {
        const { current, previous } = await client.get("/v1/auth/signing-secret");
        end = previous[0]?.expires_at ?? end;
        return current.id === made.secret_id;
      },
      abandon: async () => {
        await client.delete("/v1/auth/signing-secret/{secret_id}", { path });
      },
    });
    return { secretId: made.secret_id, previousSecretExpiresAt: end == null ? undefined : new Date(end) };
  }
}

async function inTwoPhases(steps: Steps): Promise<void> {
  try {
    await steps.deployAndProve();
    steps.options.signal?.throwIfAborted();
  } catch (error) {
    throw await givenUp(steps, error);
  }
  try {
    await steps.confirm(randomUUID());
  } catch (error) {
    // The reply may have been lost on its way: what was confirmed must not be ended.
    const isRefused = error instanceof ApiError && error.status < 500 && error.status !== 429;
    if (isRefused && !error.brokeOff) throw await givenUp(steps, error);
    if (await isKnownToBeConfirmed(steps, error)) return;
    // One that is still on its way may come to be confirmed after all.
    throw steps.isGuarded ? await givenUp(steps, error) : leftPending(steps, error);
  }
}

function leftPending(steps: Steps, cause: unknown): RotationError {
  return new RotationError("nobody knows whether the rotation was confirmed", "pending", steps.id, { cause });
}

async function isKnownToBeConfirmed(steps: Steps, error: unknown): Promise<boolean> {
  try {
    return await steps.isConfirmed();
  } catch {
    throw leftPending(steps, error);
  }
}

async function givenUp(steps: Steps, cause: unknown): Promise<RotationError> {
  try {
    await steps.abandon();
  } catch {
    return new RotationError("the rotation failed, and waits to end by itself", "pending", steps.id, { cause });
  }
  return new RotationError("the rotation was given up, and all is as before", "abandoned", steps.id, { cause });
}

/** Whether the service takes the new key: it may lack every scope. */
async function answers(successor: PartnerApi, options: Common): Promise<void> {
  try {
    await successor.get("/v1/features", signalOf(options));
  } catch (error) {
    if (!(error instanceof ApiError) || !error.is("insufficient_scope")) throw error;
  }
}

function periods({ gracePeriodSeconds, confirmWithinSeconds }: Common) {
  return {
    ...(gracePeriodSeconds === undefined ? {} : { grace_period_seconds: gracePeriodSeconds }),
    ...(confirmWithinSeconds === undefined ? {} : { confirm_within_seconds: confirmWithinSeconds }),
  };
}

function signalOf({ signal }: Common): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function shown(secret: string | null | undefined): string {
  if (typeof secret !== "string") throw new TypeError("the reply shows no secret");
  return secret;
}

function by(instant: string | null | undefined): Date {
  return new Date(instant ?? Number.NaN);
}
