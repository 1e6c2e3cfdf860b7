import assert from "node:assert/strict";
import { constants, createCipheriv, createHash, publicEncrypt, randomBytes, sign, verify } from "node:crypto";
import { test } from "node:test";
import { decryptJwe, ResponseVerificationError } from "../src/index.js";
import { RequestSigner } from "../src/signing.js";
import { failure, json, PAIR, Service, START } from "./support.js";

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 };
const KEY_ID = "01a200a5-5c6a-7656-85fa-1a564b3b33d2";

test("a request is signed as RFC 9421 has it", () => {
  const signer = new RequestSigner({ keyId: KEY_ID, privateKey: PAIR.privateKey });
  const url = "https://api.example.com/v1/users?limit=1";
  const request = { method: "POST", url, headers: {}, body: new TextEncoder().encode("{}") };
  const headers = signer.headersFor(request, START, "0123456789abcdef");
  assert.equal(headers["content-digest"], "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:");
  const parameters =
    `("@method" "@target-uri" "content-digest");created=1795248000;keyid="${KEY_ID}";alg="rsa-pss-sha512"` +
    ';nonce="0123456789abcdef";tag="partner-api"';
  assert.equal(headers["signature-input"], `sig1=${parameters}`);
  const base = [
    '"@method": POST',
    `"@target-uri": ${url}`,
    '"content-digest": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:',
    `"@signature-params": ${parameters}`,
  ].join("\n");
  const signature = Buffer.from(headers["signature"]?.slice("sig1=:".length, -1) ?? "", "base64");
  assert.ok(verify("sha512", Buffer.from(base), { key: PAIR.publicKey, ...PSS }, signature));
});

test("each try is signed anew, with the same Idempotency-Key", async () => {
  const service = new Service((_, count) => (count < 3 ? failure("service_unavailable", 503) : json({ data: {} })));
  const client = service.client({ signing: { keyId: KEY_ID, privateKey: PAIR.privateKey } });
  await client.post("/v1/admin/org/thaw");
  const nonces = service.seen.map(({ headers }) => /nonce="([^"]+)"/.exec(headers.get("signature-input") ?? "")?.[1]);
  assert.equal(new Set(nonces).size, 3);
  assert.equal(new Set(service.seen.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
  assert.equal(service.seen[0]?.headers.get("taih-tenant-key"), null);
});

/** An answer as the service signs it. */
function signed(requestSignature: string | undefined, url: string, change: { created?: number; body?: string; status?: number } = {}) {
  const body = '{"data":[]}';
  const digest = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  const of = requestSignature === undefined ? "" : ' "signature";req;key="sig1"';
  const parameters =
    `("@status" "content-digest" "@method";req "@target-uri";req${of});created=${change.created ?? START / 1000}` +
    `;keyid="pair";alg="rsa-pss-sha512";tag="partner-api"`;
  const lines = ['"@status": 200', `"content-digest": ${digest}`, '"@method";req: GET', `"@target-uri";req: ${url}`];
  if (requestSignature !== undefined) lines.push(`"signature";req;key="sig1": ${requestSignature}`);
  const base = [...lines, `"@signature-params": ${parameters}`].join("\n");
  const signature = sign("sha512", Buffer.from(base), { key: PAIR.privateKey, ...PSS }).toString("base64");
  return new Response(change.body ?? body, {
    status: change.status ?? 200,
    headers: { "content-digest": digest, "signature-input": `other=("@status"), partner-api=${parameters}`, signature: `partner-api=:${signature}:` },
  });
}

test("a response is taken only as the service's answer to this request", async () => {
  const responseKeys = { pair: PAIR.publicKey };
  const url = "https://api.example.com/v1/features";
  const good = new Service(() => signed(undefined, url));
  assert.deepEqual(await good.client({ responseKeys }).get("/v1/features"), []);
  assert.equal(good.seen[0]?.headers.get("accept-signature"), 'partner-api=("@status" "content-digest");tag="partner-api"');
  const signing = { keyId: KEY_ID, privateKey: PAIR.privateKey };
  const both = new Service(({ headers }) => signed(headers.get("signature")?.slice("sig1=".length), url));
  assert.deepEqual(await both.client({ responseKeys, signing }).get("/v1/features"), []);
  const bad: [string, Service, object?][] = [
    ["not signed", new Service(() => json({ data: [] }))],
    ["of another request", new Service(() => signed(undefined, `${url}?x=1`))],
    ["another body", new Service(() => signed(undefined, url, { body: '{"data":[1]}' }))],
    ["another status", new Service(() => signed(undefined, url, { status: 201 }))],
    ["old", new Service(() => signed(undefined, url, { created: START / 1000 - 301 }))],
    ["without the request's signature", new Service(() => signed(undefined, url)), { signing }],
    ["by another key", new Service(() => signed(undefined, url)), { responseKeys: { another: PAIR.publicKey } }],
  ];
  for (const [why, service, options] of bad) {
    await assert.rejects(service.client({ responseKeys, ...options }).get("/v1/features"), ResponseVerificationError, why);
  }
  await assert.rejects(new Service(() => failure("unauthorized", 401)).client({ responseKeys }).get("/v1/features"), { code: "unauthorized" });
});

test("a token is fetched once, renewed before its end, and once more when it is refused", async () => {
  let tokens = 0;
  const service = new Service(({ url, headers, body }) => {
    if (url.pathname === "/v1/oauth/token") {
      const form = new URLSearchParams(body);
      const [header = "", claims = "", signature = ""] = (form.get("client_assertion") ?? "").split(".");
      assert.ok(verify("sha512", Buffer.from(`${header}.${claims}`), { key: PAIR.publicKey, ...PSS }, Buffer.from(signature, "base64url")));
      const read = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
      assert.equal(read["aud"], "https://api.example.com/v1/oauth/token");
      assert.equal(read["iss"], "acme");
      assert.equal(form.get("scope"), "users:read");
      return json({ access_token: `token-${(tokens += 1)}`, token_type: "Bearer", expires_in: 900, scope: "partner" });
    }
    return headers.get("authorization") === "Bearer token-2" ? failure("unauthorized", 401) : json({ data: [] });
  });
  const client = service.client({ oauth: { clientId: "acme", keyId: KEY_ID, privateKey: PAIR.privateKey, scope: "users:read" } });
  await Promise.all([client.get("/v1/features"), client.get("/v1/features")]);
  assert.equal(tokens, 1);
  service.clock.pass(899_000);
  await client.get("/v1/features");
  assert.equal(tokens, 3);
});

test("a JWE of the service's is opened, and no other", () => {
  const key = randomBytes(32);
  const iv = randomBytes(12);
  const header = Buffer.from('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k"}').toString("base64url");
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(header));
  const text = Buffer.concat([cipher.update("whsec_text"), cipher.final()]);
  const wrapped = publicEncrypt({ key: PAIR.publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, key);
  const parts = [header, wrapped.toString("base64url"), iv.toString("base64url"), text.toString("base64url"), cipher.getAuthTag().toString("base64url")];
  assert.equal(decryptJwe(parts.join("."), PAIR.privateKey), "whsec_text");
  const changed = [...parts];
  changed[3] = Buffer.from("whsec_tEXt").toString("base64url");
  assert.throws(() => decryptJwe(changed.join("."), PAIR.privateKey), /no JWE that this key opens/);
  const short = [...parts.slice(0, 4), Buffer.from(parts[4] ?? "", "base64url").subarray(0, 4).toString("base64url")];
  assert.throws(() => decryptJwe(short.join("."), PAIR.privateKey), /no JWE that this key opens/);
  assert.throws(() => decryptJwe("text", PAIR.privateKey), /no JWE that this key opens/);
});
