// A worker that posts each job to URL on kept connections: `node worker.mjs migrate|work`. Postgres by PG* variables.
import { Logger, run, runMigrations } from "graphile-worker";
import { Pool } from "undici";

const target = new URL(process.env.URL);
// No line for each job.
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

if (process.argv[2] === "migrate") {
  await runMigrations({ connectionString: "postgres:///", logger });
  process.exit(0);
}

const concurrentJobs = 64;
const receiver = new Pool(target.origin, { connections: concurrentJobs });
const headers = { "content-type": "application/json" };

async function post(payload) {
  const { statusCode, body } = await receiver.request({
    method: "POST", path: target.pathname, headers, body: JSON.stringify(payload),
  });
  await body.dump();
  if (statusCode >= 300) throw new Error(`status ${statusCode}`);
}

const runner = await run({
  logger,
  taskList: { post },
  preset: {
    worker: {
      connectionString: "postgres:///",
      concurrentJobs,
      maxPoolSize: 20,
      pollInterval: 1000,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
await runner.promise;
