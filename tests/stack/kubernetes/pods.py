#!/usr/bin/env python3
"""The manifests of deploy/kubernetes/base as `podman kube play` understands them, on standard output.

  pods.py pod NAME POD [IMAGE]   a Pod called POD of the Deployment or StatefulSet NAME, perhaps with another
                                 IMAGE
  pods.py probe NAME KIND        path and port of the HTTP probe of its first container; KIND: startupProbe, …
  pods.py configmaps             all ConfigMaps that kustomization.yml makes of files

What is left out is what podman has nothing for: Services, autoscalers, budgets and policies; probes (it
would make them calls of curl, which the images do not have), ports (it would publish them on this machine),
hooks, and how pods are spread over nodes. Containers, commands, settings, limits, users, rights and volumes
are as they are there. Secrets become plain settings, since podman's own are the machine's and not the test's.
The environment says in which file they are (SECRETS), and what the names of ConfigMaps begin with (PREFIX).
"""

import base64
import os
import sys

import yaml

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../deploy/kubernetes/base")
LEFT_OUT_OF_PODS = ("topologySpreadConstraints", "serviceAccountName")
LEFT_OUT_OF_CONTAINERS = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports")


def documents(file):
    with open(os.path.join(BASE, file), encoding="utf-8") as text:
        return [it for it in yaml.safe_load_all(text) if it]


def kustomization():
    return documents("kustomization.yml")[0]


def workload(name):
    for file in kustomization()["resources"]:
        if not file.endswith(".yml"):
            continue
        for it in documents(file):
            if it["kind"] in ("Deployment", "StatefulSet") and it["metadata"]["name"] == name:
                return it
    sys.exit(f"pods.py: no Deployment and no StatefulSet is called {name}")


def secret(name):
    with open(os.environ["SECRETS"], encoding="utf-8") as text:
        found = [it for it in yaml.safe_load_all(text) if it and it["metadata"]["name"] == name]
    return {key: base64.b64decode(value).decode() for key, value in found[0]["data"].items()}


def settings(container):
    """What the container's environment is, with the values of Secrets in their places."""
    found = []
    for it in container.pop("envFrom", []):
        found += [{"name": key, "value": value} for key, value in secret(it["secretRef"]["name"]).items()]
    for it in container.pop("env", []):
        if "valueFrom" in it:
            asked = it["valueFrom"]["secretKeyRef"]
            it = {"name": it["name"], "value": secret(asked["name"])[asked["key"]]}
        found.append(it)
    return found


def volume(it, pod):
    """A volume under a name that no other pod has: podman's are the machine's. Memory has no kind of its
    own there."""
    name = f"{pod}-{it['name']}"
    if "emptyDir" in it:
        return {"name": name, "emptyDir": {}}
    if "configMap" in it:
        return {"name": name, "configMap": {"name": prefixed(it["configMap"]["name"])}}
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def prefixed(name):
    return f"{os.environ['PREFIX']}-{name}"


def pod(name, called, image=None):
    found = workload(name)
    spec = found["spec"]["template"]["spec"]
    for key in LEFT_OUT_OF_PODS:
        spec.pop(key, None)
    for container in spec["containers"]:
        for key in LEFT_OUT_OF_CONTAINERS:
            container.pop(key, None)
        container["imagePullPolicy"] = "Never"
        container["env"] = settings(container)
    if image:
        spec["containers"][0]["image"] = image
    claims = [
        {"name": it["metadata"]["name"], "persistentVolumeClaim": {}}
        for it in found["spec"].get("volumeClaimTemplates", [])
    ]
    spec["volumes"] = [volume(it, called) for it in spec.get("volumes", []) + claims]
    for container in spec["containers"]:
        for it in container.get("volumeMounts", []):
            it["name"] = f"{called}-{it['name']}"
    spec["hostname"] = called
    labels = found["spec"]["template"]["metadata"]["labels"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": called, "labels": labels}, "spec": spec}


def probe(name, kind):
    container = workload(name)["spec"]["template"]["spec"]["containers"][0]
    asked = container[kind]["httpGet"]
    numbers = {port["name"]: port["containerPort"] for port in container["ports"]}
    return f"{asked['path']} {numbers.get(asked['port'], asked['port'])}"


def configmaps():
    for it in kustomization()["configMapGenerator"]:
        data = {}
        for file in it["files"]:
            with open(os.path.join(BASE, file), encoding="utf-8") as text:
                data[os.path.basename(file)] = text.read()
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": prefixed(it["name"])}, "data": data}


def main():
    what, *arguments = sys.argv[1:]
    if what == "pod":
        yaml.safe_dump(pod(*arguments), sys.stdout, sort_keys=False)
    elif what == "probe":
        print(probe(*arguments))
    elif what == "configmaps":
        yaml.safe_dump_all(configmaps(), sys.stdout, sort_keys=False)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
