// @hey-api/openapi-ts: one function an operation, types of requests and replies, `tsc --strict`.

import { createClient } from "./generated/hey/client";
import {
  createQueue,
  createTenantKey,
  createUser,
  createUsersInBulk,
  getPublicKey,
  getUser,
  listEvents,
  listTenantKeys,
  listUsers,
  replaceQueue,
  replayEvents,
  rotateTenantKey,
} from "./generated/hey/sdk.gen";
import type { ErrorCode, RegisterQueue } from "./generated/hey/types.gen";
import { check, insist, users, variable } from "./said";

const baseUrl = variable("URL");
const client = holding(variable("KEY"));

function holding(key: string) {
  // The document says where the key goes.
  return createClient({ baseUrl, auth: ({ type, name }) => (type === "apiKey" && name ? key : undefined) });
}

async function pages(): Promise<void> {
  const { ids, lines } = users(57);
  const made = await createUsersInBulk({ client, body: lines, bodySerializer: (body) => body as string, parseAs: "text" });
  insist(made.error === undefined, made.error);
  let cursor: string | null | undefined = "";
  for (let page = 0; typeof cursor === "string"; page += 1) {
    insist(page < 10, "the list has no end");
    const { data, error }: Awaited<ReturnType<typeof list>> = await list(cursor);
    insist(data !== undefined, error);
    for (const user of data.data) ids.delete(user.user_id);
    cursor = data.pagination.next_cursor;
  }
  insist(ids.size === 0 && cursor === null, `${ids.size} of the users are in no page`);
}

function list(cursor: string) {
  return listUsers({ client, query: { cursor, limit: 40 } });
}

async function rotation(): Promise<void> {
  const { data: minted, error } = await createTenantKey({ client, body: { name: "hey" } });
  insist(minted?.data.secret != null, error);
  const { data: rotated, error: refused } = await rotateTenantKey({ client: holding(minted.data.secret) });
  insist(rotated?.data.new_tenant_api_key != null, refused);
  const { data: keys } = await listTenantKeys({ client: holding(rotated.data.new_tenant_api_key) });
  insist(keys?.data.find((key) => key.is_current)?.id === rotated.data.key_id, keys);
}

async function queues(): Promise<void> {
  const path = { queue_name: "credentials" as const };
  const webhook: RegisterQueue = { type: "webhook", webhook: { url: variable("WEBHOOK") } };
  const { data, error } = await createQueue({ client, path, body: webhook });
  insist(data?.data.type === "webhook", error);
  const azure_storage_queue = { account_name: "partnerevents", queue_name: "events", sas_token: variable("SAS") };
  const azure = await replaceQueue({ client, path, body: { type: "azure_storage_queue", azure_storage_queue } });
  insist(azure.data?.data.type === "azure_storage_queue", azure.error);
  const aws_sqs = {
    queue_url: "https://sqs.eu-central-1.amazonaws.com/123456789012/events.fifo",
    region: "eu-central-1",
    role_arn: "arn:aws:iam::123456789012:role/partner-events",
  };
  const sqs = await replaceQueue({ client, path, body: { type: "aws_sqs", aws_sqs } });
  insist(sqs.response?.status === 400 && sqs.error !== undefined && "error" in sqs.error, sqs.error);
}

async function replay(): Promise<void> {
  const { data, error } = await replayEvents({
    client,
    body: { stream: "users", from: "2026-01-01T00:00:00Z", to: "2026-01-01T01:00:00Z" },
  });
  insist(data?.data.replayed === 0, error);
  const { data: events, error: refused } = await listEvents({ client, query: { stream: "users", limit: 1 } });
  insist(events?.data[0]?.type === "user.created", refused ?? events);
}

async function errors(): Promise<void> {
  const user_id = crypto.randomUUID();
  const missing = await getUser({ client, path: { user_id } });
  insist(missing.error !== undefined && "error" in missing.error, missing.error);
  const code: ErrorCode = missing.error.error.code;
  insist(code === "not_found", missing.error);
  const invalid = await createUser({ client, body: { user_id: "42" } });
  insist(invalid.error !== undefined && "detail" in invalid.error, invalid.error);
  insist(invalid.error.detail[0]?.type === "uuid_parsing", invalid.error);
  const traced = await getPublicKey({ client, path: { UniqueId: user_id } });
  insist(traced.error !== undefined && "TraceId" in traced.error, traced.error);
  insist(traced.error.Error.Code === "not_found", traced.error);
}

async function main(): Promise<void> {
  await check("hey: pages to the end by cursor", pages);
  await check("hey: rotates a key", rotation);
  await check("hey: registers each type of queue", queues);
  await check("hey: replays and lists events", replay);
  await check("hey: reads each shape of an error", errors);
}

void main();
