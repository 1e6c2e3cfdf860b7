"""graphile-worker (npm) on a database of its own, as its documentation has it for speed (`localQueue`, batches)."""

import os
import subprocess

from outbox import remark

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "graphile")
# As long as an event's body.
JOBS = """SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_record(NULL::graphile_worker.job_spec, json_build_object('identifier', 'post', 'payload',
        json_build_object('type', 'user.updated', 'timestamp', '2026-11-21T08:00:00Z', 'org_id', gen_random_uuid(), 'data',
            json_build_object('user_id', gen_random_uuid(), 'occurred_at', '2026-11-21T08:00:00Z', 'version', n))))
    FROM generate_series(1, %d) AS n))"""


class Graphile:
    def __init__(self, postgres, sink):
        self.postgres, self.sink = postgres, sink
        subprocess.run(["npm", "ci", "--prefix", HERE, "--no-audit", "--no-fund", "--ignore-scripts"], check=True,
                       stdout=subprocess.DEVNULL)
        postgres.sql("CREATE DATABASE graphile")
        self.run("migrate")

    def run(self, what):
        environment = {**os.environ, "PGHOST": self.postgres.directory, "PGUSER": self.postgres.user, "PGDATABASE": "graphile",
                       "URL": self.sink.url(), "NODE_ENV": "production"}
        command = ["node", os.path.join(HERE, "worker.mjs"), what]
        if what == "migrate":
            return subprocess.run(command, env=environment, check=True)
        return subprocess.Popen(command, env=environment)

    def sql(self, text):
        conninfo = self.postgres.conninfo.replace("dbname=postgres", "dbname=graphile")
        done = subprocess.run([self.postgres.program("psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", conninfo, "-c", text],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def drain(self, count):
        self.sql(JOBS % count)
        self.sql("ANALYZE")
        self.sink.reset()
        worker = self.run("work")
        try:
            report = self.sink.wait_for(count)
        finally:
            worker.terminate()
            worker.wait()
        left = self.sql("SELECT count(*) FROM graphile_worker.jobs")
        return report["rate"], remark(report) + (f", {left} left" if left != "0" else "")
