// openapi-typescript and openapi-fetch: nothing here is typed by hand, and `tsc --strict` passes.

import createClient from "openapi-fetch";

import type { components, paths } from "./generated/schema";
import { check, insist, users, variable } from "./said";

type Schemas = components["schemas"];

const baseUrl = variable("URL");
const client = createClient<paths>({ baseUrl, headers: { "taih-tenant-key": variable("KEY") } });

/** Each code is known to the compiler: a name that is none does not pass. */
function advice(code: Schemas["ErrorCode"]): string {
  switch (code) {
    case "not_found":
      return "look again";
    case "user_already_exists":
      return "choose another";
    default:
      return code;
  }
}

async function pages(): Promise<void> {
  const { ids, lines } = users(57);
  const made = await client.POST("/v1/users/bulk", {
    body: lines,
    bodySerializer: (body) => body,
    headers: { "Content-Type": "application/x-ndjson" },
    parseAs: "text",
  });
  insist(made.data !== undefined && made.data.trim().split("\n").length === ids.size, made.error);
  let cursor: string | null | undefined = "";
  let count = 0;
  for (let page = 0; typeof cursor === "string"; page += 1) {
    insist(page < 10, "the list has no end");
    const { data, error }: Awaited<ReturnType<typeof list>> = await list(cursor);
    insist(data !== undefined, error);
    for (const user of data.data) ids.delete(user.user_id);
    count += data.data.length;
    cursor = data.pagination.next_cursor;
  }
  insist(ids.size === 0 && cursor === null, `${ids.size} of the users are in no page; ${count} were listed`);
}

function list(cursor: string) {
  return client.GET("/v1/users", { params: { query: { cursor } } });
}

async function noParameters(): Promise<void> {
  for (const { data, error } of [
    await client.GET("/v1/users"),
    await client.GET("/v1/admin/org/tenant-keys"),
    await client.GET("/v1/admin/org/events"),
    await client.GET("/v1/admin/org/audit"),
  ]) {
    insist(data !== undefined && data.pagination.limit === 25, error);
  }
}

async function rotation(): Promise<void> {
  const { data: minted, error } = await client.POST("/v1/admin/org/tenant-keys", { body: { name: "fetch" } });
  insist(minted?.data.secret != null, error);
  const own = createClient<paths>({ baseUrl, headers: { "taih-tenant-key": minted.data.secret } });
  const { data: rotated, error: refused } = await own.POST("/v1/auth/tenant-key/rotate", {
    body: { grace_period_seconds: 60 },
  });
  insist(rotated?.data.new_tenant_api_key != null, refused);
  const next = createClient<paths>({ baseUrl, headers: { "taih-tenant-key": rotated.data.new_tenant_api_key } });
  const { data: keys } = await next.GET("/v1/admin/org/tenant-keys");
  const current = keys?.data.find((key) => key.is_current);
  insist(current?.id === rotated.data.key_id, keys);
}

async function queues(): Promise<void> {
  const path = { queue_name: "users" as const };
  const webhook: Schemas["RegisterQueue"] = { type: "webhook", webhook: { url: variable("WEBHOOK") } };
  const { data, error } = await client.POST("/v1/admin/org/queues/{queue_name}", { params: { path }, body: webhook });
  insist(data?.data.type === "webhook" && data.data.webhook?.url === variable("WEBHOOK"), error);
  const azure_storage_queue = { account_name: "partnerevents", queue_name: "events", sas_token: variable("SAS") };
  const azure = await client.PUT("/v1/admin/org/queues/{queue_name}", {
    params: { path },
    body: { type: "azure_storage_queue", azure_storage_queue },
  });
  insist(azure.data?.data.azure_storage_queue?.account_name === "partnerevents", azure.error);
  const aws_sqs = {
    queue_url: "https://sqs.eu-central-1.amazonaws.com/123456789012/events",
    region: "eu-central-1",
    role_arn: "arn:aws:iam::123456789012:role/partner-events",
  };
  // Nothing plays SQS here: the test event does not arrive, and the reply says so.
  const sqs = await client.PUT("/v1/admin/org/queues/{queue_name}", {
    params: { path },
    body: { type: "aws_sqs", aws_sqs },
  });
  insist(sqs.response.status === 400 && sqs.error !== undefined && "error" in sqs.error, sqs);
  const code: Schemas["ErrorCode"] = sqs.error.error.code;
  insist(code === "invalid_request", sqs.error);
}

async function errors(): Promise<void> {
  const user_id = crypto.randomUUID();
  const missing = await client.GET("/v1/users/{user_id}", { params: { path: { user_id } } });
  insist(missing.error !== undefined && "error" in missing.error, missing);
  insist(advice(missing.error.error.code) === "look again", missing.error);
  const invalid = await client.POST("/v1/users", { body: { user_id: "42" } });
  insist(invalid.error !== undefined && "detail" in invalid.error, invalid);
  const problem: Schemas["Problem"] | undefined = invalid.error.detail[0];
  insist(problem?.type === "uuid_parsing" && problem.loc.join(".") === "body.user_id", invalid.error);
  const traced = await client.GET("/api/v1/key/{UniqueId}", { params: { path: { UniqueId: user_id } } });
  insist(traced.error !== undefined && "TraceId" in traced.error, traced);
  insist(advice(traced.error.Error.Code) === "look again", traced.error);
}

async function main(): Promise<void> {
  await check("fetch: lists need no parameter", noParameters);
  await check("fetch: pages to the end by cursor", pages);
  await check("fetch: rotates a key", rotation);
  await check("fetch: registers each type of queue", queues);
  await check("fetch: reads each shape of an error", errors);
}

void main();
