import type { PartnerApi } from "./client.js";
import type { Clock } from "./clock.js";
import { type PartnerEvent, verifyEvent, type VerifyOptions } from "./events.js";
import type { Schemas } from "./types.js";

export interface PollOptions {
  /** How each message is verified. */
  verify: VerifyOptions;
  /** Messages fetched at once, 1 to 100: as many as you handle within a minute. 25 unless you say otherwise. */
  limit?: number;
  /** How long the service holds a request while there is nothing, in seconds, 0 to 20. */
  waitSeconds?: number;
  /** Ends once there is nothing, rather than wait for more. */
  untilEmpty?: boolean;
  /** Ends the loop: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface PolledMessage {
  id: string;
  event: PartnerEvent;
  message: Schemas["Envelope"];
}

/** For how long a message that was handed out is ours, less some for the way. */
const OURS_MS = 50_000;
/** After how long what is handled is acknowledged, at the latest. */
const ACKNOWLEDGE_MS = 10_000;

/** Acknowledges in batches; what is left over when the loop ends is acknowledged then. */
export async function* poll(
  client: PartnerApi, stream: string, options: PollOptions, clock: Clock,
): AsyncGenerator<PolledMessage, void, undefined> {
  const { waitSeconds = 20, limit = 25, signal } = options;
  const common = { path: { queue_name: stream }, ...(signal === undefined ? {} : { signal }) };
  const handled: string[] = [];
  let since = clock.now();
  const acknowledge = async (own = common) => {
    since = clock.now();
    if (handled.length === 0) return;
    await client.post("/v1/admin/org/queues/{queue_name}/ack", { ...own, body: { event_ids: handled.splice(0) } });
  };
  try {
    for (;;) {
      const query = { limit, wait_seconds: options.untilEmpty === true ? 0 : waitSeconds };
      const { data } = await client.get("/v1/admin/org/queues/{queue_name}/messages", {
        ...common, query, timeoutMs: 15_000 + waitSeconds * 1_000,
      });
      const fetchedAt = clock.now();
      if (data.length === 0 && options.untilEmpty === true) return;
      for (const message of data) {
        // What was not reached in time is somebody else's by now.
        if (clock.now() - fetchedAt > OURS_MS) break;
        yield { id: message.event_id, event: await verifyEvent(message, options.verify), message };
        handled.push(message.event_id);
        if (clock.now() - since > ACKNOWLEDGE_MS) await acknowledge();
      }
      await acknowledge();
    }
  } finally {
    await acknowledge({ path: common.path });
  }
}
