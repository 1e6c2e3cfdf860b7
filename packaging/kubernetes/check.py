"""The manifests against Kubernetes's schemas, against each other, and against the service."""

import pathlib
import re
import sys

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "1.29.0"
failed = []


def hold(what, is_so, but=""):
    print(f"{'ok   ' if is_so else 'FAIL '} {what}{'' if is_so else f': {but}'}")
    if not is_so:
        failed.append(what)


def resources():
    kustomization = yaml.safe_load((HERE / "kustomization.yaml").read_text())
    listed = set(kustomization["resources"])
    there = {path.name for path in HERE.glob("*.yaml")} - {"kustomization.yaml"}
    hold("kustomization.yaml lists every manifest", listed == there, listed ^ there)
    for name in sorted(there):
        for document in yaml.safe_load_all((HERE / name).read_text()):
            yield name, document


def main():
    found = list(resources())
    for name, document in found:
        title = f"{name}: {document['kind']} {document['metadata']['name']}"
        try:
            kubernetes_validate.validate(document, VERSION, strict=True)
            hold(f"{title} keeps to the schema of Kubernetes {VERSION}", True)
        except kubernetes_validate.ValidationError as error:
            hold(f"{title} keeps to the schema of Kubernetes {VERSION}", False, error)
    pods = {document["kind"]: document["spec"]["template"] for _, document in found if document["kind"] in ("Deployment", "Job")}
    labels = pods["Deployment"]["metadata"]["labels"]
    for name, document in found:
        spec = document.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            hold(f"{name}: {document['kind']} selects the service's pods, not those of the job",
                 wanted.items() <= labels.items() and not wanted.items() <= pods["Job"]["metadata"]["labels"].items(), wanted)
    container = pods["Deployment"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    config = next(document["data"] for _, document in found if document["kind"] == "ConfigMap")
    for port, variable in (("public", "LISTEN_ADDR"), ("internal", "INTERNAL_LISTEN_ADDR")):
        hold(f"port {port} is where the service listens", config[variable].endswith(f":{ports[port]}"), config[variable])
    for _, document in found:
        for port in document.get("spec", {}).get("ports", []) if document["kind"] == "Service" else []:
            hold(f"Service {document['metadata']['name']} leads to a port of the pods", port["targetPort"] in ports, port)
    known = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (HERE / "../../.env.example").read_text(), re.M))
    named = set(config) | {variable["name"] for variable in container["env"]}
    hold("every variable is one that the service reads", named <= known, named - known)
    for kind, pod in pods.items():
        context, spec = pod["spec"]["containers"][0]["securityContext"], pod["spec"]
        hold(f"{kind}: Pod Security 'restricted'", context["allowPrivilegeEscalation"] is False
             and context["capabilities"]["drop"] == ["ALL"] and spec["securityContext"]["runAsNonRoot"]
             and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", context)
        hold(f"{kind}: the user of the image", f"USER {spec['securityContext']['runAsUser']}" in (HERE / "../../Dockerfile").read_text())
    grace = pods["Deployment"]["spec"]["terminationGracePeriodSeconds"]
    hold("pods have the time to end", grace >= int(config["SHUTDOWN_DELAY_SECONDS"]) + 30 + 10, grace)
    version = re.search(r'^version = "(.*)"', (HERE / "../../Cargo.toml").read_text(), re.M).group(1)
    image = yaml.safe_load((HERE / "kustomization.yaml").read_text())["images"][0]
    hold("the image has the version of Cargo.toml", (image["name"], image["newTag"]) == (container["image"], version), image)
    print(f"{len(failed)} failed")
    sys.exit(bool(failed))


main()
