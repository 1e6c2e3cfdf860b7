"""Prometheus, the service, the alerts and the dashboard's queries."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "..", "..", "docs")
sys.path.insert(0, os.path.join(HERE, ".."))
from lib.service import Service, free_ports  # noqa: E402
from lib.tally import Tally  # noqa: E402

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: partner-api
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    def __init__(self, directory, target):
        [self.port] = free_ports(1)
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as file:
            file.write(CONFIG.format(rules=os.path.realpath(os.path.join(DOCS, "alerts.yml")), port=target))
        with open(os.path.join(directory, "prometheus.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/tsdb",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)

    def api(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            answer = json.load(reply)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        return self.api("query", query=expression)["result"]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def within(seconds, what, condition):
    end = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def rules_are_sound():
    done = subprocess.run(["promtool", "check", "rules", os.path.join(DOCS, "alerts.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def scrape_is_understood(prometheus):
    def target():
        targets = prometheus.api("targets")["activeTargets"]
        return targets and targets[0]["health"] != "unknown" and targets[0]
    seen = within(30, "the first scrape", target)
    assert seen["health"] == "up", seen["lastError"]
    metadata = prometheus.api("targets/metadata")
    assert len(metadata) > 40 and all(each["help"] and each["type"] != "unknown" for each in metadata), metadata


def numbers_arrive(service, prometheus, key):
    for _ in range(3):
        service.call("POST", "/v1/users", {"user_id": str(uuid.uuid4())}, key=key, expect=201)
    created = 'partner_api_http_requests_total{method="POST",route="/v1/users",status="201"}'
    within(10, "three users in Prometheus", lambda: [r["value"][1] for r in prometheus.query(created)] == ["3"])


def rules_are_evaluated(prometheus):
    rules = lambda: [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    within(20, "every rule was evaluated", lambda: all(rule["health"] == "ok" for rule in rules()))
    firing = [rule["name"] for rule in rules() if rule["state"] == "firing"]
    assert len(rules()) > 15 and not firing, firing


def dashboard_is_answered(prometheus):
    with open(os.path.join(DOCS, "grafana-dashboard.json")) as file:
        panels = json.load(file)["panels"]
    queries = [target["expr"].replace("$job", ".+") for panel in panels for target in panel.get("targets", [])]
    empty = [query for query in queries if not prometheus.query(query)]
    # What has not happened has no quantile and no share.
    wrong = [query for query in empty if " > 0" not in query and " / " not in query and "verify" not in query and "5.." not in query]
    assert len(queries) > 40 and not wrong, wrong


def readiness_falls(service, prometheus):
    service.stop()
    within(20, "Prometheus notices", lambda: not prometheus.query("partner_api_ready == 1"))
    within(20, "the alert is pending", lambda: any(alert["labels"]["alertname"] == "PartnerApiGone"
                                                   for alert in prometheus.api("alerts")["alerts"]))


def main(binary):
    tally, directory = Tally(), tempfile.mkdtemp(prefix="metrics-")
    os.chmod(directory, 0o711)  # as root the cluster runs as another user, who must get through
    service = prometheus = None
    try:
        tally.run("rules", "promtool accepts the alerts", rules_are_sound)
        service = Service(binary, directory)
        service.wait_until_ready()
        prometheus = Prometheus(directory, service.internal)
        tally.run("scrape", "Prometheus understands what it is told", scrape_is_understood, prometheus)
        key = service.create_org("acme")["tenant_api_key"]
        tally.run("scrape", "what happens arrives as numbers", numbers_arrive, service, prometheus, key)
        tally.run("rules", "every alert is evaluated, and none fires", rules_are_evaluated, prometheus)
        tally.run("board", "every query of the dashboard is answered", dashboard_is_answered, prometheus)
        tally.run("rules", "a service that is gone is noticed", readiness_falls, service, prometheus)
    finally:
        for each in (prometheus, service):
            if each:
                each.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)


main(sys.argv[1])
