import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { RotationError } from "../src/index.js";
import { cut, failure, json, type Reply, type Seen, Service, START } from "./support.js";

const CONFIRM = "/v1/admin/org/tenant-keys/new/confirm";
const END = "2026-11-22T08:00:00Z";
const ROTATED = { key_id: "new", previous_key_id: "old", previous_key_expires_at: null, confirmation_expires_at: END, new_tenant_api_key: "tk_new" };
const CONFIRMED = { key_id: "new", previous_key_id: "old", previous_key_expires_at: END };

/** A service that rotates, but for what `special` says. */
function rotating(special: (request: Seen, count: number) => Reply | undefined = () => undefined): Service {
  return new Service((request, count) => {
    const reply = special(request, count);
    if (reply !== undefined) return reply;
    const { method, url: { pathname } } = request;
    if (pathname === "/v1/auth/tenant-key/rotate") return json({ data: ROTATED });
    if (pathname === CONFIRM) return json({ data: CONFIRMED });
    if (method === "DELETE") return new Response(null, { status: 204 });
    return json({ data: [] });
  });
}

function calls(service: Service): string[] {
  return service.seen.map(({ method, url, headers }) => `${method} ${url.pathname} ${headers.get("taih-tenant-key")}`);
}

test("a key is prepared, deployed, proven, confirmed with itself, and used from then on", async () => {
  const service = rotating();
  const client = service.client();
  const steps: string[] = [];
  const confirmed = await client.tenantKey.rotateSafely({
    gracePeriodSeconds: 60,
    deploy: (key, { keyId, confirmBy }) => {
      steps.push(`deploy ${key.reveal()} ${keyId} ${confirmBy.toISOString()}`);
    },
    prove: async (successor) => {
      await successor.get("/v1/admin/org");
      steps.push("prove");
    },
  });
  await client.get("/v1/features");
  assert.deepEqual(confirmed, CONFIRMED);
  assert.deepEqual(steps, ["deploy tk_new new 2026-11-22T08:00:00.000Z", "prove"]);
  assert.deepEqual(JSON.parse(service.seen[0]?.body ?? ""), { activation: "on_confirm", grace_period_seconds: 60 });
  assert.deepEqual(calls(service), [
    "POST /v1/auth/tenant-key/rotate tk_test_secret", "GET /v1/features tk_new", "GET /v1/admin/org tk_new", `POST ${CONFIRM} tk_new`,
    "GET /v1/features tk_new",
  ]);
});

test("what cannot be deployed or proven is given up, and the old key stands", async () => {
  for (const options of [
    { deploy: () => Promise.reject(new Error("vault")) },
    { deploy: () => undefined, prove: () => Promise.reject(new Error("fleet")) },
  ]) {
    const service = rotating();
    const client = service.client();
    await assert.rejects(client.tenantKey.rotateSafely(options), (error: RotationError) => {
      assert.ok(error instanceof RotationError);
      assert.equal(error.state, "abandoned");
      assert.match((error.cause as Error).message, /vault|fleet/);
      return true;
    });
    await client.get("/v1/features");
    assert.deepEqual(calls(service).slice(-2), ["DELETE /v1/admin/org/tenant-keys/new tk_test_secret", "GET /v1/features tk_test_secret"]);
  }
});

test("a new key that the service does not take is given up; one without the scope to look is good", async () => {
  const service = rotating(({ url, headers }) =>
    url.pathname === "/v1/features" && headers.get("taih-tenant-key") === "tk_new" ? failure("unauthorized", 401) : undefined);
  await assert.rejects(service.client().tenantKey.rotateSafely({ deploy: () => undefined }), { state: "abandoned" });
  const narrow = rotating(({ url }) => (url.pathname === "/v1/features" ? failure("insufficient_scope", 403) : undefined));
  assert.deepEqual(await narrow.client().tenantKey.rotateSafely({ deploy: () => undefined }), CONFIRMED);
});

test("a confirmation whose reply is lost for good is looked up, and never undone", async () => {
  const rotation = { state: "grace", successor_id: "new", previous_key_id: "old", confirmation_expires_at: null, ends_at: END };
  const service = rotating(({ url }) => {
    if (url.pathname === CONFIRM) return cut();
    return url.pathname === "/v1/admin/org/tenant-keys/new" ? json({ data: { rotation } }) : undefined;
  });
  assert.deepEqual(await service.client().tenantKey.rotateSafely({ deploy: () => undefined }), CONFIRMED);
  assert.ok(!calls(service).some((call) => call.startsWith("DELETE")));
  const waiting = rotating(({ url, method }) => {
    if (url.pathname === CONFIRM) return cut();
    return method === "GET" && url.pathname.endsWith("/new") ? json({ data: { rotation: { ...rotation, state: "pending" } } }) : undefined;
  });
  await assert.rejects(waiting.client().tenantKey.rotateSafely({ deploy: () => undefined }), { state: "abandoned" });
  // With other credentials nothing keeps us from ending a key that was confirmed meanwhile.
  const options = { keyId: "old", deploy: () => undefined };
  await assert.rejects(waiting.client({ orgId: "o" }).tenantKey.rotateSafely(options), { state: "pending" });
  const unknown = rotating(({ url }) => (url.pathname.startsWith("/v1/admin/org/tenant-keys/new") ? cut() : undefined));
  await assert.rejects(unknown.client().tenantKey.rotateSafely({ deploy: () => undefined }), { state: "pending", id: "new" });
  assert.ok(!calls(unknown).some((call) => call.startsWith("DELETE")));
});

test("a confirmation that is refused is given up", async () => {
  const service = rotating(({ url }) => (url.pathname === CONFIRM ? failure("rotation_not_pending", 409) : undefined));
  await assert.rejects(service.client().tenantKey.rotateSafely({ deploy: () => undefined }), { state: "abandoned" });
});

test("a signal ends a rotation, which is then given up all the same", async () => {
  const control = new AbortController();
  const service = rotating();
  const rotation = service.client().tenantKey.rotateSafely({ deploy: () => control.abort(), signal: control.signal });
  await assert.rejects(rotation, { state: "abandoned" });
  assert.match(calls(service).at(-1) ?? "", /^DELETE/);
});

test("a signing secret is given to the verifiers before it is confirmed", async () => {
  const made = {
    secret_id: "s2", signing_secret_rotated_at: END, previous_secret_expires_at: null, confirmation_expires_at: END, new_signing_secret: "whsec_x",
  };
  const service = new Service(({ url }) =>
    json({ data: url.pathname.endsWith("/confirm") ? { secret_id: "s2", previous_secret_id: "s1", previous_secret_expires_at: END } : made }));
  const verifiers: string[] = [];
  const rotated = await service.client().signingSecret.rotateSafely({
    deploy: (secret) => {
      verifiers.push(secret.reveal());
      assert.equal(service.seen.length, 1);
    },
  });
  assert.deepEqual(verifiers, ["whsec_x"]);
  assert.deepEqual(rotated, { secretId: "s2", previousSecretExpiresAt: new Date(END) });
  const first = new Service(() => json({ data: { ...made, confirmation_expires_at: undefined } }));
  await first.client().signingSecret.rotateSafely({ deploy: () => undefined });
  assert.equal(first.seen.length, 1);
});

const SECRET = `whsec_${Buffer.alloc(32, "secret").toString("base64")}`;

function envelope(n: number, at: number) {
  const body = JSON.stringify({ type: "user.created", org_id: "o", data: { user_id: String(n) } });
  const stamp = String(Math.floor(at / 1000));
  const signature = createHmac("sha256", Buffer.alloc(32, "secret")).update(`evt_${n}.${stamp}.${body}`).digest("base64");
  return { event_id: `evt_${n}`, body, headers: { "webhook-id": `evt_${n}`, "webhook-timestamp": stamp, "webhook-signature": `v1,${signature}` } };
}

test("messages are fetched, verified, handed out and acknowledged once handled", async () => {
  const batches = [[1, 2], [3]];
  const acknowledged: string[][] = [];
  const service: Service = new Service(({ url, body }) => {
    if (url.pathname.endsWith("/ack")) {
      acknowledged.push((JSON.parse(body) as { event_ids: string[] }).event_ids);
      return json({ data: { acknowledged: 1 } });
    }
    return json({ data: (batches.shift() ?? []).map((n) => envelope(n, service.clock.now())), ack_token: "t" });
  });
  const options = { verify: { secrets: SECRET, clock: service.clock }, untilEmpty: true };
  const seen: string[] = [];
  for await (const { id, event } of service.client().poll("users", options)) {
    seen.push(`${id} ${event.type}`);
    service.clock.pass(id === "evt_1" ? 15_000 : 0);
  }
  assert.deepEqual(seen, ["evt_1 user.created", "evt_2 user.created", "evt_3 user.created"]);
  // The first one took long, so it is acknowledged by itself.
  assert.deepEqual(acknowledged, [["evt_1"], ["evt_2"], ["evt_3"]]);
});

test("what was not handled is not acknowledged, nor handed out when its minute is over", async () => {
  const acknowledged: string[] = [];
  let fetches = 0;
  const service: Service = new Service(({ url, body }) => {
    if (url.pathname.endsWith("/ack")) {
      acknowledged.push(...(JSON.parse(body) as { event_ids: string[] }).event_ids);
      return json({ data: { acknowledged: 1 } });
    }
    fetches += 1;
    return json({ data: [1, 2, 3].map((n) => envelope(n + 10 * fetches, service.clock.now())), ack_token: "t" });
  });
  const seen: string[] = [];
  for await (const { id } of service.client().poll("users", { verify: { secrets: SECRET, clock: service.clock } })) {
    seen.push(id);
    if (id === "evt_11") service.clock.pass(55_000);
    if (id === "evt_22") break;
  }
  assert.deepEqual(seen, ["evt_11", "evt_21", "evt_22"]);
  assert.deepEqual(acknowledged, ["evt_11", "evt_21"]);
  assert.equal(service.clock.now(), START + 55_000);
});
