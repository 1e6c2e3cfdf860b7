// The two hot requests as Fastify and pg do them, one statement each: create a user with its event, verify a key.

import cluster from "node:cluster";
import { createHash } from "node:crypto";
import Fastify from "fastify";
import pg from "pg";

const CREATE = {
  name: "create",
  text: `WITH made AS (
    INSERT INTO peer_users (org_id, user_id, first_name, last_name, email, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, now(), now()) ON CONFLICT DO NOTHING RETURNING user_id
  )
  INSERT INTO peer_events (org_id, id, type, body, created_at)
  SELECT $1, gen_random_uuid(), 'user.created', json_build_object('user_id', user_id)::text, now() FROM made RETURNING 1`,
};
const VERIFY = {
  name: "verify",
  text: "SELECT org_id FROM peer_keys WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
};

if (cluster.isPrimary) {
  const workers = [0, 1].map(() => cluster.fork());
  process.on("SIGTERM", () => {
    workers.forEach((worker) => worker.kill());
    process.exit();
  });
} else {
  const pool = new pg.Pool({ connectionString: process.env.PEER_DSN, max: 8 });
  const app = Fastify({ logger: false });
  const text = { type: ["string", "null"] };
  const body = {
    type: "object",
    required: ["user_id"],
    properties: { user_id: { type: "string", format: "uuid" }, first_name: text, last_name: text, email: text },
  };
  app.post("/v1/users", { schema: { body } }, async (request, reply) => {
    const { user_id, first_name, last_name, email } = request.body;
    const { rowCount } = await pool.query({ ...CREATE, values: [request.headers.orgid, user_id, first_name, last_name, email] });
    return rowCount ? reply.code(201).send({ user_id }) : reply.code(409).send({ error: "user_already_exists" });
  });
  app.get("/internal/auth/verify", async (request, reply) => {
    const digest = createHash("sha256").update(request.headers["taih-tenant-key"] ?? "").digest();
    const { rows } = await pool.query({ ...VERIFY, values: [digest] });
    return rows.length ? reply.code(200).header("OrgId", rows[0].org_id).send() : reply.code(401).send();
  });
  await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
}
