import type { Common, Schemas } from "./types.js";

type User = Schemas["CreateUser"];
type Result = Schemas["BulkResult"];

export interface BulkOptions extends Pick<Common, "signal" | "timeoutMs"> {
  /** Users in one request, 1 to 10,000. 1,000 unless you say otherwise. */
  batch?: number;
}

export async function* bulk(
  users: Iterable<User> | AsyncIterable<User>, options: BulkOptions, send: (lines: string) => Promise<string>,
): AsyncGenerator<Result, void, undefined> {
  const most = options.batch ?? 1_000;
  let lines: string[] = [];
  for await (const user of users) {
    lines.push(JSON.stringify(user));
    if (lines.length < most) continue;
    yield* results(await send(lines.join("\n")));
    lines = [];
  }
  if (lines.length > 0) yield* results(await send(lines.join("\n")));
}

function results(text: string): Result[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Result);
}
