import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, ConnectionError, TimeoutError } from "../src/index.js";
import { cut, failure, json, Service } from "./support.js";

const USER = "3f2b8c1e-9d4a-4c6b-8f1e-2a7d5c9b0e13";

test("a lost reply is asked for again, with the same Idempotency-Key", async () => {
  const service = new Service((_, count) => (count < 3 ? cut() : json({ data: { user_id: USER } }, 201)));
  assert.deepEqual(await service.client().post("/v1/users", { body: { user_id: USER } }), { user_id: USER });
  const keys = service.seen.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.match(keys[0] ?? "", /^[0-9a-f-]{36}$/);
  assert.deepEqual(service.clock.waits, [187.5, 375]);
});

test("two calls have two keys, and yours is taken", async () => {
  const service = new Service(() => json({ data: { user_id: USER } }, 201));
  const client = service.client();
  await client.post("/v1/users", { body: { user_id: USER } });
  await client.post("/v1/users", { body: { user_id: USER } });
  await client.post("/v1/users", { body: { user_id: USER }, idempotencyKey: "import-of-november-17" });
  const keys = service.seen.map(({ headers }) => headers.get("idempotency-key"));
  assert.equal(new Set(keys).size, 3);
  assert.equal(keys[2], "import-of-november-17");
});

test("Retry-After is waited for, as seconds and as a date", async () => {
  const date = "Sat, 21 Nov 2026 08:00:07 GMT";
  const service = new Service((_, count) => {
    if (count === 1) return failure("rate_limited", 429, { "retry-after": "4" });
    return count === 2 ? failure("service_unavailable", 503, { "retry-after": date }) : json({ data: [] });
  });
  await service.client().get("/v1/features");
  const [first = 0, second = 0] = service.clock.waits;
  assert.equal(first, 4_093.75);
  // What is left of seven seconds, and a share of the backoff.
  assert.equal(second, 7_000 - first + 187.5);
});

test("a feature that is away for a day is an error at once", async () => {
  const service = new Service(() => failure("service_unavailable", 503, { "retry-after": "86400" }));
  await assert.rejects(service.client().get("/v1/features"), (error: ApiError) => {
    assert.equal(error.code, "service_unavailable");
    assert.equal(error.retryAfterMs, 86_400_000);
    assert.equal(error.requestId, "request-1");
    return true;
  });
  assert.equal(service.seen.length, 1);
});

test("it gives up after four more tries", async () => {
  const service = new Service(() => cut());
  await assert.rejects(service.client().get("/v1/features"), (error: Error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.message, "the connection failed: ECONNRESET");
    return true;
  });
  assert.equal(service.seen.length, 5);
  assert.deepEqual(service.clock.waits, [187.5, 375, 750, 1500]);
});

test("other errors are not tried again", async () => {
  for (const status of [400, 401, 403, 404, 409, 422, 500, 502]) {
    const service = new Service(() => failure("internal_error", status));
    await assert.rejects(service.client().get("/v1/features"), { status });
    assert.equal(service.seen.length, 1, `status ${status}`);
  }
});

test("a first try that is still being answered is waited for", async () => {
  const service = new Service((_, count) =>
    count === 1 ? cut() : count === 2 ? failure("idempotency_in_progress", 409) : json({ data: { user_id: USER } }, 201));
  await service.client().post("/v1/users", { body: { user_id: USER } });
  assert.equal(service.seen.length, 3);
  const another = new Service(() => failure("idempotency_in_progress", 409));
  await assert.rejects(another.client().post("/v1/users", { body: { user_id: USER } }), { code: "idempotency_in_progress" });
  assert.equal(another.seen.length, 1);
});

test("what a lost try deleted is deleted", async () => {
  const path = { user_id: USER };
  const service = new Service((_, count) => (count === 1 ? cut() : failure("not_found", 404)));
  assert.equal(await service.client().delete("/v1/users/{user_id}", { path }), undefined);
  const another = new Service(() => failure("not_found", 404));
  await assert.rejects(another.client().delete("/v1/users/{user_id}", { path }), { code: "not_found" });
});

test("a claim is not opened twice", async () => {
  const service = new Service(() => cut());
  await assert.rejects(service.client().post("/v1/claims/{token}", { path: { token: "abc" } }), ConnectionError);
  assert.equal(service.seen.length, 1);
});

test("a signal ends a call, also while it waits", async () => {
  const reason = new Error("enough");
  const control = new AbortController();
  const service = new Service(() => {
    control.abort(reason);
    return failure("rate_limited", 429);
  });
  await assert.rejects(service.client().get("/v1/features", { signal: control.signal }), reason);
  assert.equal(service.seen.length, 1);
});

test("a try that takes too long is broken off", async () => {
  const hangs: typeof fetch = (_, init) =>
    new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
  const client = new Service(() => json({})).client({ fetch: hangs, retry: { retries: 0 }, timeoutMs: 20 });
  const keeps = setTimeout(() => undefined, 5_000);
  await assert.rejects(client.get("/v1/features"), TimeoutError);
  clearTimeout(keeps);
});
