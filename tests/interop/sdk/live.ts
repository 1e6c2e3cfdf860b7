// What a partner does with the TypeScript client, on the real service. Says outcomes, one line of JSON each.

import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, decryptJwe, PartnerApi, RotationError, verifyEvent } from "partner-api-client";

const { URL: baseUrl = "", PROXY = "", KEY = "", ORG_ID = "", SECRET = "" } = process.env;
const client = new PartnerApi({ baseUrl, key: KEY });
const pair = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

async function userIds(of: PartnerApi, limit: number): Promise<Set<string>> {
  return new Set((await of.list("/v1/users", { query: { limit } }).toArray()).map((user) => user.user_id));
}

async function users(): Promise<void> {
  const made = Array.from({ length: 57 }, () => randomUUID());
  const statuses: string[] = [];
  for await (const { status } of client.createUsers(made.map((user_id) => ({ user_id })), { batch: 20 })) statuses.push(status);
  assert.deepEqual(statuses, made.map(() => "created"));
  const listed = await userIds(client, 20);
  assert.ok(made.every((each) => listed.has(each)));
  const path = { user_id: randomUUID() };
  await client.post("/v1/users", { body: { ...path, first_name: "Ada", last_name: "Byron" } });
  await client.patch("/v1/users/{user_id}", { path, body: { last_name: null } });
  const user = await new PartnerApi({ baseUrl, orgId: ORG_ID }).get("/v1/users/{user_id}", { path });
  assert.deepEqual(user.profile, { first_name: "Ada", last_name: null, email: null });
  await client.delete("/v1/users/{user_id}", { path });
  await assert.rejects(client.get("/v1/users/{user_id}", { path }), (error) => error instanceof ApiError && error.is("not_found"));
  await assert.rejects(client.post("/v1/users", { body: { user_id: randomUUID(), email: "nobody" } }), (error: ApiError) => {
    assert.deepEqual(error.problems[0]?.loc, ["body", "email"]);
    return true;
  });
}

async function minted(name: string): Promise<string> {
  const { secret } = await client.post("/v1/admin/org/tenant-keys", { body: { name } });
  assert.ok(secret);
  return secret;
}

async function keyIds(): Promise<Set<string>> {
  return new Set((await client.list("/v1/admin/org/tenant-keys").toArray()).map((key) => key.id));
}

async function rotationUnderUse(): Promise<void> {
  let vault = await minted("fleet");
  const rotator = new PartnerApi({ baseUrl, key: vault });
  const worker = new PartnerApi({ baseUrl, key: () => vault });
  const failures: string[] = [];
  let calls = 0;
  let isOver = false;
  const traffic = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await worker.get("/v1/users", { query: { limit: 1 } }).then(() => (calls += 1), (error) => failures.push(String(error)));
    }
  });
  let proven = 0;
  let last = "";
  for (let n = 0; n < 3; n += 1) {
    const rotated = await rotator.tenantKey.rotateSafely({
      gracePeriodSeconds: 1,
      deploy: async (key) => {
        await sleep(300);
        vault = key.reveal();
        await sleep(300);
      },
      prove: async (successor) => {
        await successor.get("/v1/admin/org");
        proven += 1;
      },
    });
    last = rotated.key_id;
  }
  await sleep(2_200); // the last grace period is over
  isOver = true;
  await Promise.all(traffic);
  assert.deepEqual(failures, []);
  assert.ok(calls > 20 && proven === 3, `${calls} calls, ${proven} proven`);
  const entry = await rotator.get("/v1/admin/org/tenant-keys/{key_id}", { path: { key_id: last } });
  assert.ok(entry.is_current);
}

async function rotationGivenUp(): Promise<void> {
  const rotator = new PartnerApi({ baseUrl, key: await minted("unlucky") });
  const before = await keyIds();
  const deploy = () => Promise.reject(new Error("the vault is sealed"));
  await assert.rejects(rotator.tenantKey.rotateSafely({ deploy }), (error: RotationError) => error.state === "abandoned");
  assert.deepEqual(await keyIds(), before);
  assert.ok((await rotator.tenantKey.rotateSafely({ deploy: () => undefined })).key_id);
}

async function secretRotationWithEvents(): Promise<void> {
  let secrets = [SECRET];
  const taken: string[] = [];
  const refused: string[] = [];
  const receiver = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const message = { headers: request.headers, body: Buffer.concat(chunks) };
    try {
      const event = await verifyEvent(message, { secrets, orgId: ORG_ID });
      assert.deepEqual(event, await verifyEvent(message, { keys: client.eventKeys, orgId: ORG_ID }));
      taken.push(event.type);
    } catch (error) {
      refused.push(String(error));
    }
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const address = receiver.address();
  assert.ok(address !== null && typeof address === "object");
  const path = { queue_name: "credentials" };
  const url = `http://127.0.0.1:${address.port}/`;
  await client.post("/v1/admin/org/queues/{queue_name}", { path, body: { type: "webhook", webhook: { url } } });
  await client.signingSecret.rotateSafely({
    gracePeriodSeconds: 0,
    deploy: (secret) => {
      secrets = [secret.reveal(), SECRET]; // what was sent before the rotation bears the old signature alone
    },
    prove: async (http) => {
      await http.post("/v1/admin/org/queues/{queue_name}/test", { path });
    },
  });
  for (let n = 0; n < 300 && !taken.includes("signing_secret.rotated"); n += 1) await sleep(100);
  assert.ok(taken.includes("signing_secret.rotated"), String(taken));
  secrets = secrets.slice(0, 1);
  await assert.rejects(client.signingSecret.rotateSafely({ deploy: () => Promise.reject(new Error("away")) }), RotationError);
  assert.equal((await client.get("/v1/auth/signing-secret")).pending, null);
  await client.post("/v1/admin/org/queues/{queue_name}/test", { path });
  assert.deepEqual(refused, []);
  await client.delete("/v1/admin/org/queues/{queue_name}", { path });
  receiver.closeAllConnections();
  receiver.close();
}

async function registeredKeys(): Promise<void> {
  const org = await client.get("/v1/admin/org");
  const ExpirationUtc = new Date(Date.now() + 30 * 86_400_000).toISOString();
  const common = { OwnerCode: org.key, Type: "RSA" as const, ExpirationUtc };
  const { UniqueId: keyId } = await client.post("/api/v1/key", {
    body: { ...common, Usage: ["Authentication", "CredentialsDownload", "Reports"], PublicKey: pair.publicKey },
  });
  const signing = { keyId, privateKey: pair.privateKey };
  const alone = new PartnerApi({ baseUrl, signing });
  assert.equal((await alone.patch("/v1/admin/org", { body: { name: "Signed & Sons" } })).name, "Signed & Sons");
  assert.ok((await alone.list("/v1/users").toArray(30)).length > 0);
  await new PartnerApi({ baseUrl, key: KEY, signing }).post("/v1/users", { body: { user_id: randomUUID() } });
  const service = await client.post("/api/v1/key/generate", { body: { ...common, Usage: ["ResponseSignature"], Length: 2048 } });
  const wary = new PartnerApi({ baseUrl, signing, responseKeys: { [service.UniqueId]: service.Key } });
  assert.equal((await wary.get("/v1/admin/org")).id, org.id);
  const path = { user_id: randomUUID() };
  await wary.post("/v1/users", { body: path });
  await wary.delete("/v1/users/{user_id}", { path });
  await assert.rejects(wary.get("/v1/users/{user_id}", { path }), { code: "not_found" });
  const oauth = new PartnerApi({ baseUrl, oauth: { clientId: org.key, ...signing, scope: "users:read" } });
  assert.equal((await oauth.list("/v1/users").toArray(1)).length, 1);
  await assert.rejects(oauth.get("/v1/admin/org"), { code: "insufficient_scope" });
  const sealed = await client.post("/v1/admin/org/tenant-keys", { body: { name: "sealed", deliver_to: "CredentialsDownload" } });
  const key = decryptJwe(sealed.encrypted_secret ?? "", pair.privateKey);
  assert.equal((await new PartnerApi({ baseUrl, key }).get("/v1/admin/org")).id, org.id);
}

async function report(): Promise<void> {
  const { report_id } = await client.post("/v1/admin/org/reports", { body: { type: "users" } });
  const path = { report_id };
  for (let n = 0; n < 300 && (await client.get("/v1/admin/org/reports/{report_id}", { path })).status !== "ready"; n += 1) await sleep(100);
  const lines = new TextDecoder().decode(await client.downloadReport(report_id)).trim().split("\n");
  const rows = lines.map((line) => decryptJwe(line, pair.privateKey)).join("").trim().split("\n");
  const listed = await userIds(client, 100);
  assert.deepEqual(new Set(rows.map((row) => (JSON.parse(row) as { user_id: string }).user_id)), listed);
}

async function brokenProxy(): Promise<void> {
  const through = new PartnerApi({ baseUrl: PROXY, key: KEY });
  const made = Array.from({ length: 12 }, () => randomUUID());
  for (const user_id of made) assert.deepEqual(await through.post("/v1/users", { body: { user_id } }), { user_id });
  const name = `through-${randomUUID()}`;
  for (let n = 0; n < 3; n += 1) {
    const { secret, id } = await through.post("/v1/admin/org/tenant-keys", { body: { name: `${name}-${n}` } });
    assert.ok((await new PartnerApi({ baseUrl, key: secret ?? "" }).get("/v1/admin/org")).id);
    const listed = (await client.list("/v1/admin/org/tenant-keys").toArray()).filter((key) => key.name === `${name}-${n}`);
    assert.equal(listed.length, 1);
    await through.delete("/v1/admin/org/tenant-keys/{key_id}", { path: { key_id: id } });
  }
  for (const user_id of made) await through.delete("/v1/users/{user_id}", { path: { user_id } });
  const left = await userIds(through, 50);
  assert.ok(!made.some((each) => left.has(each)));
  const rotator = new PartnerApi({ baseUrl: PROXY, key: await minted("proxied") });
  assert.ok((await rotator.tenantKey.rotateSafely({ deploy: () => undefined })).previous_key_expires_at);
}

async function polled(): Promise<void> {
  const path = { queue_name: "users" };
  await client.post("/v1/admin/org/queues/{queue_name}", { path, body: { type: "poll", poll: {} } });
  const verify = { keys: client.eventKeys, orgId: ORG_ID };
  for await (const _ of client.poll("users", { verify, untilEmpty: true, limit: 100 }));
  const made = Array.from({ length: 5 }, () => randomUUID() as string);
  for await (const _ of client.createUsers(made.map((user_id) => ({ user_id }))));
  const seen: string[] = [];
  for await (const { event } of client.poll("users", { verify, limit: 10 })) {
    assert.ok(event.type === "user.created");
    seen.push(event.data.user_id);
    if (seen.length === 3) break;
  }
  assert.equal(made.filter((each) => seen.includes(each)).length, 3);
  assert.equal((await client.get("/v1/admin/org/queues/{queue_name}", { path })).waiting_events, 3);
  await client.delete("/v1/admin/org/queues/{queue_name}", { path });
}

const checks: [string, () => Promise<void>][] = [
  ["users, paging, errors", users],
  ["three rotations under use, none refused", rotationUnderUse],
  ["a rotation given up leaves all as before", rotationGivenUp],
  ["the secret is rotated, and every event verifies", secretRotationWithEvents],
  ["signed requests and responses, tokens, sealed secrets", registeredKeys],
  ["a report is downloaded and opened", report],
  ["through a proxy that loses replies, nothing twice", brokenProxy],
  ["a polled queue acknowledges what was handled", polled],
];
for (const [name, run] of checks) {
  const problem = await run().then(() => null, (error: Error) => String(error.stack).slice(0, 900));
  console.log(JSON.stringify({ name, problem }));
}
process.exit();
