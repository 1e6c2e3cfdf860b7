// Verifies events with the npm library, one a line: {secret: base64, headers, body} in, {ok, error} out.
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, raw, headers, body } = JSON.parse(line);
  let answer;
  try {
    const webhook = raw ? new Webhook(Buffer.from(raw, "base64"), { format: "raw" }) : new Webhook(secret);
    answer = { ok: true, type: webhook.verify(body, headers).type };
  } catch (error) {
    answer = { ok: false, error: error.message };
  }
  console.log(JSON.stringify(answer));
}
