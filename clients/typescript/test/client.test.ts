import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import { ApiError, PartnerApi, type Schemas, Secret, VERSION } from "../src/index.js";
import { failure, json, PAIR, Service } from "./support.js";

const ORG = "01a200a4-dbd9-745d-aacb-bb7c4149aa9e";

test("a request says who calls and with what", async () => {
  const service = new Service(() => json({ data: [] }));
  await service.client({ userAgent: "acme/1.0" }).get("/v1/event-types", { query: { stream: "users" } });
  const [seen] = service.seen;
  assert.equal(seen?.url.href, "https://api.example.com/v1/event-types?stream=users");
  assert.equal(seen?.headers.get("taih-tenant-key"), "tk_test_secret");
  assert.match(seen?.headers.get("user-agent") ?? "", /^acme\/1\.0 partner-api-typescript\/0\.1\.0 \(node /);
  assert.equal(seen?.headers.get("idempotency-key"), null);
});

test("local development has OrgId in place of a key", async () => {
  const service = new Service(() => json({ data: [] }));
  await service.client({ orgId: ORG }).get("/v1/features");
  assert.equal(service.seen[0]?.headers.get("orgid"), ORG);
  assert.equal(service.seen[0]?.headers.get("taih-tenant-key"), null);
});

test("a key may come from a function, which is asked each time", async () => {
  const service = new Service(() => json({ data: [] }));
  let count = 0;
  const client = service.client({ key: async () => new Secret(`key-${(count += 1)}`) });
  await client.get("/v1/features");
  await client.get("/v1/features");
  assert.deepEqual(service.seen.map(({ headers }) => headers.get("taih-tenant-key")), ["key-1", "key-2"]);
  assert.equal(client.useKey("another"), false);
});

test("two credentials, none, and http to other machines are refused", () => {
  const baseUrl = "https://api.example.com";
  const signing = { keyId: "k", privateKey: PAIR.privateKey };
  assert.throws(() => new PartnerApi({ baseUrl, key: "k", orgId: ORG }), /give one of key, orgId and oauth/);
  assert.throws(() => new PartnerApi({ baseUrl }), /give one of/);
  assert.throws(() => new PartnerApi({ baseUrl, signing, oauth: { clientId: "acme", ...signing } }), /beside no signature/);
  assert.throws(() => new PartnerApi({ baseUrl: "http://api.example.com", key: "k" }), /must be https/);
  assert.ok(new PartnerApi({ baseUrl: "http://127.0.0.1:8080/", key: "k" }));
  assert.throws(() => new PartnerApi({ baseUrl, signing: { keyId: "k", privateKey: "nonsense" } }), (error: Error) => {
    assert.ok(!error.message.includes("nonsense"));
    return true;
  });
});

test("nothing shows a secret", () => {
  const client = new Service(() => json({})).client({ key: "tk_test_hidden", baseUrl: "https://api.example.com" });
  const oauth = new Service(() => json({})).client({ oauth: { clientId: "acme", keyId: "k", privateKey: PAIR.privateKey } });
  const secret = new Secret("hidden");
  for (const shown of [client, oauth, client.tenantKey, client.signingSecret, secret, { secret }, [secret]]) {
    const text = `${inspect(shown, { depth: 20, showHidden: true })} ${JSON.stringify(shown)} ${String(shown)}`;
    assert.doesNotMatch(text, /hidden|PRIVATE KEY/);
  }
  assert.equal(secret.reveal(), "hidden");
});

test("the shapes of errors are one error, with code and request id", async () => {
  const cases: [Response, Partial<ApiError>][] = [
    [failure("user_already_exists", 409), { code: "user_already_exists", requestId: "request-1" }],
    [
      json({ detail: [{ loc: ["body", "user_id"], msg: "must be a UUID", type: "uuid_parsing" }] }, 422, { "x-request-id": "r" }),
      { code: "validation", requestId: "r", message: "422 validation: body.user_id must be a UUID (request r)" },
    ],
    [
      json({ TraceId: "t", Error: { Code: "weak_key", Message: "m", AdditionalInfo: "", ExtraData: { PublicKey: "is weak" } } }, 400),
      { code: "weak_key", requestId: "t", details: [{ field: "PublicKey", code: "weak_key", message: "is weak" }] },
    ],
    [json({ error: "invalid_client", error_description: "no" }, 401), { code: "invalid_client" }],
    [new Response("<html>", { status: 502 }), { code: "unexpected_response", status: 502 }],
    [new Response(null, { status: 302, headers: { location: "https://evil.example" } }), { code: "unexpected_response" }],
  ];
  for (const [reply, expected] of cases) {
    await assert.rejects(new Service(() => reply).client().get("/v1/features"), (error: ApiError) => {
      assert.ok(error instanceof ApiError);
      for (const [name, value] of Object.entries(expected)) assert.deepEqual(error[name as keyof ApiError], value);
      return true;
    });
  }
});

test("a list is read to its end, and no further than it is looked at", async () => {
  const service = new Service(({ url }) => {
    const start = Number(url.searchParams.get("cursor") || 0);
    const data = [start, start + 1].map((n) => ({ user_id: `user-${n}`, created_at: "2026-11-21T08:00:00Z" }));
    const next_cursor = start === 4 ? null : String(start + 2);
    return json({ data, pagination: { limit: 2, offset: 0, total: 6, next_cursor } });
  });
  const ids: string[] = [];
  for await (const user of service.client().list("/v1/users", { query: { limit: 2 } })) ids.push(user.user_id);
  assert.deepEqual(ids, ["user-0", "user-1", "user-2", "user-3", "user-4", "user-5"]);
  assert.deepEqual(service.seen.map(({ url }) => url.search), ["?limit=2&cursor=", "?limit=2&cursor=2", "?limit=2&cursor=4"]);
  assert.equal((await service.client().list("/v1/users").toArray(3)).length, 3);
  assert.equal(service.seen.length, 5);
});

test("public keys are listed in their own way", async () => {
  const service = new Service(({ url }) =>
    json(url.searchParams.has("next") ? { Items: [{ UniqueId: "b" }], Next: null } : { Items: [{ UniqueId: "a" }], Next: "n" }));
  const keys = await service.client().list("/api/v1/key/list/{OwnerCode}", { path: { OwnerCode: "acme" } }).toArray();
  assert.deepEqual(keys.map(({ UniqueId }) => UniqueId), ["a", "b"]);
});

test("users are created in batches, from any source", async () => {
  const service = new Service(({ body }) => {
    const results = body.split("\n").map((line) => ({ user_id: (JSON.parse(line) as { user_id: string }).user_id, status: "created", detail: [] }));
    return new Response(results.map((each) => JSON.stringify(each)).join("\n") + "\n");
  });
  async function* users() {
    for (let n = 0; n < 5; n += 1) yield { user_id: `user-${n}` };
  }
  const results: Schemas["BulkResult"][] = [];
  for await (const result of service.client().createUsers(users(), { batch: 2 })) results.push(result);
  assert.deepEqual(results.map(({ user_id }) => user_id), ["user-0", "user-1", "user-2", "user-3", "user-4"]);
  assert.deepEqual(service.seen.map(({ body }) => body.split("\n").length), [2, 2, 1]);
});

test("a report is given as it is kept", async () => {
  const service = new Service(() => new Response(new Uint8Array([0, 255, 10])));
  assert.deepEqual([...(await service.client().downloadReport("r1"))], [0, 255, 10]);
  assert.equal(service.seen[0]?.url.pathname, "/v1/admin/org/reports/r1/content");
});

test("what is put in a path stays in its place", async () => {
  const service = new Service(() => json({ data: {} }));
  await service.client().get("/v1/users/{user_id}", { path: { user_id: "../admin?x#y" } });
  assert.equal(service.seen[0]?.url.pathname, "/v1/users/..%2Fadmin%3Fx%23y");
  for (const user_id of ["", ".", ".."]) {
    await assert.rejects(service.client().get("/v1/users/{user_id}", { path: { user_id } }), /the path takes user_id/);
  }
});

test("the version is the package's", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  assert.equal(VERSION, version);
});

/** Compiled and never run: what the types must refuse. */
export async function types(client: PartnerApi): Promise<void> {
  const org = await client.get("/v1/admin/org");
  const name: string = org.name;
  const key = await client.post("/v1/admin/org/tenant-keys", { body: { name } });
  const scope: Schemas["KeyScopes"] = key.scopes;
  await client.patch("/v1/users/{user_id}", { path: { user_id: ORG }, body: { first_name: null } });
  const nothing: undefined = await client.delete("/v1/users/{user_id}", { path: { user_id: ORG } });
  // @ts-expect-error no such path
  await client.get("/v1/user");
  // @ts-expect-error no such method
  await client.put("/v1/users", {});
  // @ts-expect-error the body is required
  await client.post("/v1/users");
  // @ts-expect-error no such field
  await client.post("/v1/users", { body: { user_id: ORG, colour: "red" } });
  // @ts-expect-error the path's parameter is required
  await client.get("/v1/users/{user_id}");
  // @ts-expect-error not a list
  client.list("/v1/admin/org");
  // @ts-expect-error no such scope
  await client.post("/v1/admin/org/tenant-keys", { body: { name, scopes: ["users:eat"] } });
  void [scope, nothing];
}
