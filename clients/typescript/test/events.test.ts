import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { EventVerificationError, KeySet, type Message, Secret, verifyEvent, verifyMessage, type VerifyOptions } from "../src/index.js";
import { json, START, TestClock } from "./support.js";

const SECRET = `whsec_${Buffer.alloc(32, "secret").toString("base64")}`;
const ORG = "01a200a4-dbd9-745d-aacb-bb7c4149aa9e";
const ID = "evt_01a200a55c6a7253b71d7550c3d28b7c";
const BODY = JSON.stringify({
  type: "user.created", timestamp: "2026-11-21T08:00:00Z", org_id: ORG,
  data: { user_id: "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13", occurred_at: "2026-11-21T08:00:00Z", version: 1 },
});
const PAIR = generateKeyPairSync("ed25519");
const clock = new TestClock();

function message(secret = SECRET, body = BODY, at = START / 1000): { headers: Record<string, string>; body: string } {
  const signed = `${ID}.${at}.${body}`;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const v1 = createHmac("sha256", key).update(signed).digest("base64");
  const v1a = sign(null, Buffer.from(signed), PAIR.privateKey).toString("base64");
  return {
    headers: {
      "webhook-id": ID, "webhook-timestamp": String(at), "webhook-signature": `v1,AAAA v1,${v1} v1a,${v1a} v9,x`,
      "webhook-signature-key-id": "one",
    },
    body,
  };
}

async function refused(given: Message, options: VerifyOptions, why: RegExp): Promise<void> {
  await assert.rejects(verifyEvent(given, { clock, ...options }), (error: Error) => {
    assert.ok(error instanceof EventVerificationError, String(error));
    assert.match(error.message, why);
    return true;
  });
}

test("the published example of Standard Webhooks verifies", async () => {
  const headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const then = new TestClock(1_614_265_330_000);
  const options = { secrets: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", clock: then };
  const verified = await verifyMessage({ headers, body: '{"test": 2432232314}' }, options);
  assert.equal(verified.id, "msg_p5jXN8AQM9LWM0D4loKWxJek");
});

test("an event is read from a message, in any form", async () => {
  const { headers, body } = message();
  const forms: Message[] = [
    { headers, body },
    JSON.stringify({ event_id: ID, headers, body }),
    Buffer.from(JSON.stringify({ headers, body })),
    { headers: new Headers(headers), body: Buffer.from(body) },
    { headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]])), body },
    { headers: Object.entries(headers), body },
  ];
  for (const form of forms) {
    const event = await verifyEvent(form, { secrets: new Secret(SECRET), clock, orgId: ORG });
    assert.ok(event.type === "user.created");
    assert.equal(event.data.user_id, "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13");
  }
});

test("one of several secrets is enough, however it is written", async () => {
  const bytes = Buffer.from(SECRET.replace("whsec_", ""), "base64");
  const another = `whsec_${Buffer.alloc(32, "another").toString("base64")}`;
  for (const written of [bytes.toString("hex"), bytes.toString("base64url"), SECRET.replace("whsec_", "")]) {
    assert.ok(await verifyEvent(message(), { secrets: [another, written], clock }));
  }
  await refused(message(), { secrets: another }, /not signed with this secret/);
  await refused(message(), { secrets: [] }, /not signed with this secret/);
});

test("what was changed, is old, or is no message is refused", async () => {
  const good = message();
  await refused({ ...good, body: `${good.body} ` }, { secrets: SECRET }, /was changed/);
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
    await refused({ ...good, headers: { ...good.headers, [name]: "" } }, { secrets: SECRET }, new RegExp(`no ${name}`));
  }
  await refused(message(SECRET, BODY, START / 1000 - 301), { secrets: SECRET }, /too old/);
  await refused(message(SECRET, BODY, START / 1000 + 301), { secrets: SECRET }, /of the future/);
  assert.ok(await verifyEvent(message(SECRET, BODY, START / 1000 - 86_400), { secrets: SECRET, toleranceSeconds: 86_400, clock }));
  for (const nonsense of ["", "null", "42", "{}", '{"headers":{},"body":1}', Buffer.from([0xff])]) {
    await assert.rejects(verifyEvent(nonsense, { secrets: SECRET, clock }), EventVerificationError);
  }
  await refused(message(SECRET, "not json"), { secrets: SECRET }, /is encrypted/);
  await refused(good, { secrets: SECRET, orgId: "01a200a4-0000-745d-aacb-bb7c4149aa9e" }, /another organisation's/);
});

test("without a secret, the service's keys verify, and only for your organisation", async () => {
  const keys = keySet([{ kid: "one", ...PAIR.publicKey.export({ format: "jwk" }) }]).keys;
  assert.ok(await verifyEvent(message(), { keys, orgId: ORG, clock }));
  await refused(message(), { keys, orgId: "01a200a4-0000-745d-aacb-bb7c4149aa9e" }, /another organisation's/);
  await refused({ ...message(), body: BODY.replace("created", "deleted") }, { keys, orgId: ORG }, /not signed with this key/);
  const { headers, body } = message();
  await refused({ headers: { ...headers, "webhook-signature": "v1,x" }, body }, { keys, orgId: ORG }, /not signed with this key/);
  await assert.rejects(verifyEvent(message(), { keys, clock }), TypeError);
});

test("keys are kept for as long as they are good, and strangers' names do not make us ask", async () => {
  const { keys, asked, time } = keySet([{ kid: "one", ...PAIR.publicKey.export({ format: "jwk" }) }]);
  await keys.key("one");
  await keys.key("one");
  assert.equal(asked(), 1);
  for (let n = 0; n < 5; n += 1) await assert.rejects(keys.key("unknown"), EventVerificationError);
  assert.equal(asked(), 1);
  time.pass(30_000);
  await assert.rejects(keys.key("unknown"), EventVerificationError);
  assert.equal(asked(), 2);
  time.pass(599_000);
  await keys.key("one");
  assert.equal(asked(), 2);
  time.pass(1_000);
  await Promise.all([keys.key("one"), keys.key("one")]);
  assert.equal(asked(), 3);
});

function keySet(set: object[]) {
  let count = 0;
  const time = new TestClock();
  const fetch = async () => {
    count += 1;
    return json({ keys: set }, 200, { "cache-control": "public, max-age=600" });
  };
  return { keys: new KeySet("https://api.example.com/", { fetch, clock: time }), asked: () => count, time };
}
