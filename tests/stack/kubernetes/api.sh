#!/usr/bin/env bash
# The manifests of deploy/kubernetes and deploy/cd against Kubernetes' own API server, scheduler and
# controller manager. The nodes are played by kwok: pods are scheduled and become ready, and no container
# runs. Every manifest must be accepted, the Deployments must become available, a rollout and the disruption
# budgets must do what they say.
#
#   tests/stack/kubernetes/api.sh    builds the programs first if build.sh has not; all on loopback
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/../../.." || exit

readonly planned=37
# shellcheck disable=SC2034 # lib.sh's
readonly engine=none

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

scratch=$(mktemp -d)
programs=()

# The verdict is the last line, however the script ends.
finish() {
  if [ "$failed" -gt 0 ]; then
    for log in "$scratch"/*.log; do printf -- '--- %s\n' "$log"; tail -n 5 "$log"; done
    kubectl get pods --output wide 2>/dev/null
    kubectl get events --sort-by .lastTimestamp 2>/dev/null | tail -n 15
  fi
  for pid in "${programs[@]}"; do kill "$pid" 2>/dev/null; done
  wait
  rm -rf "$scratch"
  all_ran
  printf 'api: %d passed, %d failed, in %d s after the build\n' "$passed" "$failed" $((SECONDS - ${built:-0}))
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in go openssl curl awk python3; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
made=$(nice -n 19 tests/stack/kubernetes/build.sh) || exit 1
built=$SECONDS

# --- A control plane
# ------------------------------------------------------------------------------------------------

free_ports() {
  python3 -c '
import socket, sys
free = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[it.getsockname()[1] for it in free])' "$1"
}
read -r etcd_client etcd_peer api < <(free_ports 3)
openssl genrsa -out "$scratch/accounts.key" 2048 2>/dev/null
openssl rsa -in "$scratch/accounts.key" -pubout -out "$scratch/accounts.pub" 2>/dev/null
token=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
printf '%s,admin,admin,system:masters\n' "$token" >"$scratch/tokens"
cat >"$scratch/kubeconfig" <<YML
apiVersion: v1
kind: Config
clusters: [{ name: it, cluster: { server: "https://127.0.0.1:$api", insecure-skip-tls-verify: true } }]
users: [{ name: it, user: { token: $token } }]
contexts: [{ name: it, context: { cluster: it, user: it, namespace: pouco } }]
current-context: it
YML
client=$(command -v kubectl || echo "$made/kubectl")
kubectl() { "$client" --kubeconfig "$scratch/kubeconfig" --request-timeout=60s "$@"; }

# begin NAME COMMAND…: beside this script, with a log of its own.
begin() {
  local name=$1
  shift
  "$@" >"$scratch/$name.log" 2>&1 &
  programs+=($!)
}
clients=http://127.0.0.1:$etcd_client peers=http://127.0.0.1:$etcd_peer
begin etcd "$made/etcd" --data-dir "$scratch/etcd" --unsafe-no-fsync --listen-client-urls "$clients" \
  --advertise-client-urls "$clients" --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" \
  --initial-cluster "default=$peers"
begin kube-apiserver "$made/kube-apiserver" --etcd-servers "$clients" --bind-address 127.0.0.1 \
  --secure-port "$api" --cert-dir "$scratch/certificates" --token-auth-file "$scratch/tokens" \
  --authorization-mode RBAC \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file "$scratch/accounts.pub" \
  --service-account-signing-key-file "$scratch/accounts.key" --service-cluster-ip-range 10.96.0.0/16
api_ready() { [ "$(kubectl get --raw /readyz)" = ok ]; }
check "the API server is ready within 180 s" wait_for 180 api_ready
[ "$failed" -eq 0 ] || exit 1
begin kube-controller-manager "$made/kube-controller-manager" --kubeconfig "$scratch/kubeconfig" \
  --secure-port 0 --leader-elect=false --service-account-private-key-file "$scratch/accounts.key" \
  --use-service-account-credentials --horizontal-pod-autoscaler-sync-period 2s
begin kube-scheduler "$made/kube-scheduler" --kubeconfig "$scratch/kubeconfig" --secure-port 0 \
  --leader-elect=false
for number in 1 2 3; do
  kubectl apply --filename - >/dev/null <<YML
apiVersion: v1
kind: Node
metadata:
  name: node-$number
  annotations: { kwok.x-k8s.io/node: fake }
  labels: { kubernetes.io/hostname: node-$number, topology.kubernetes.io/zone: zone-$number }
status:
  allocatable: { cpu: "8", memory: 16Gi, pods: "110" }
  capacity: { cpu: "8", memory: 16Gi, pods: "110" }
YML
done
# What kwok does with nodes and pods is in its own stages: a node is ready, a pod runs, and ends when it is
# deleted.
kwok_module=$(cd "$made/sources/kwok" && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)
stages=()
for stage in node/fast/node-initialize node/heartbeat/node-heartbeat \
  pod/fast/pod-ready pod/fast/pod-complete pod/fast/pod-delete; do
  stages+=(--config "$kwok_module/kustomize/stage/$stage.yaml")
done
begin kwok "$made/kwok" --kubeconfig "$scratch/kubeconfig" --manage-all-nodes=true "${stages[@]}"
nodes_ready() { equal "$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" 3; }
check "three nodes are ready within 60 s" wait_for 60 nodes_ready
# A claim is bound as a cluster with dynamic volumes would: here by volumes that are there.
kubectl apply --filename - >/dev/null <<'YML'
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: by-hand, annotations: { storageclass.kubernetes.io/is-default-class: "true" } }
provisioner: kubernetes.io/no-provisioner
YML
for number in 1 2 3 4; do
  kubectl apply --filename - >/dev/null <<YML
apiVersion: v1
kind: PersistentVolume
metadata: { name: volume-$number }
spec:
  capacity: { storage: 100Gi }
  accessModes: [ReadWriteOnce]
  storageClassName: by-hand
  hostPath: { path: /tmp/nobody-looks-$number }
YML
done

# --- Every manifest is accepted
# -------------------------------------------------------------------------------------

kubectl apply --server-side --filename deploy/kubernetes/base/namespace.yml >/dev/null
# custom MODULE@VERSION SUM PATTERN: the definitions of others' resources, of their own modules, which must be
# those bytes.
custom() {
  local said folder file
  said=$(GOFLAGS=-mod=mod go mod download -json "$1")
  contains "$said" "\"Sum\": \"$2\"" || return 1
  folder=$(sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p' <<<"$said")
  for file in "$folder"/$3; do kubectl apply --server-side --filename "$file" >/dev/null || return 1; done
}
check "CloudNativePG's own definitions" eval "
  custom github.com/cloudnative-pg/cloudnative-pg@v1.28.0 h1:vkv0a0ewDSfJOPJrsyUr4uczsxheReAWf/k171V0Dm0= \
    'config/crd/bases/postgresql.cnpg.io_*.yaml' &&
  kubectl wait --for condition=Established --timeout 30s crd --all"
# shellcheck disable=SC2329 # by check
accepted() {
  local said
  said=$(kubectl apply --server-side --dry-run=server --filename "$1" 2>&1) ||
    { tail -n 5 <<<"$said"; return 1; }
  ! grep -i warning <<<"$said"
}
for overlay in kind production; do
  check "kustomize: the overlay $overlay" \
    eval "kubectl kustomize deploy/kubernetes/overlays/$overlay >$scratch/$overlay.yml"
  check "the server accepts every object of $overlay, without a warning" accepted "$scratch/$overlay.yml"
done
kubectl kustomize deploy/kubernetes/jmeter |
  sed -e 's/jmeter-BACKEND$/jmeter-inventory/' >"$scratch/jmeter.yml"
check "and the JMeter Job with its plan" accepted "$scratch/jmeter.yml"
sed 's/runAsNonRoot: true/runAsNonRoot: false/' "$scratch/jmeter.yml" >"$scratch/root.yml"
check "a pod that may be root is found: a warning" eval "! accepted $scratch/root.yml"
sed 's/maxSurge: 1$/maxSurgery: 1/' "$scratch/kind.yml" >"$scratch/broken.yml"
check "a field that there is not is found" eval "! accepted $scratch/broken.yml"
sed 's/dataDurability: required/dataDurability: mostly/' "$scratch/production.yml" >"$scratch/mostly.yml"
check "and a word that CloudNativePG does not know" eval "! accepted $scratch/mostly.yml"

check "Argo CD's own definitions" custom github.com/argoproj/argo-cd/v3@v3.1.9 \
  h1:9P9vJKo1RGWu6mtQnGu61r+0h3XKlA2j3kVhwogUQ/0= 'manifests/crds/*-crd.yaml'
check "Flux's own definitions" eval "
  custom github.com/fluxcd/kustomize-controller@v1.7.3 h1:SzNnGn/4ObAPEHHleM5U7y/AKxKXph3Vj6ZhteeXw8M= \
    'config/crd/bases/*.yaml' &&
  custom github.com/fluxcd/source-controller@v1.7.0 h1:/fBgS4CSmT5Jj/fjQDF92y+pC3gst1GJjgNSzY8Ff9I= \
    'config/crd/bases/*.yaml'"
for namespace in argocd flux-system; do kubectl create namespace "$namespace" >/dev/null; done
for folder in argocd flux; do
  check "the server accepts deploy/cd/$folder" wait_for 30 accepted "deploy/cd/$folder"
done

# --- They run, as far as nobody looks inside
# ------------------------------------------------------------------------

GRAFANA_PASSWORD='' KUBECONFIG=$scratch/kubeconfig CONTEXT=it PATH=$made:$PATH deploy/kubernetes/deploy.sh kind \
  >"$scratch/said" 2>"$scratch/refused"
check "deploy.sh without a password: exit code 2, one line" equal "$? $(cat "$scratch/refused")" \
  "2 deploy: GRAFANA_PASSWORD is not set, and there is no default password"
GRAFANA_PASSWORD=of-this-test deploy/kubernetes/secrets.sh |
  kubectl apply --namespace pouco --server-side --filename - >/dev/null
check "everything is applied" \
  eval "kubectl apply --server-side --filename $scratch/kind.yml >$scratch/applied.log 2>&1"
for part in statefulset/postgres statefulset/influxdb deployment/inventory deployment/fastapi \
  deployment/express deployment/people deployment/nginx deployment/redis deployment/prometheus \
  deployment/grafana deployment/kube-state-metrics; do
  check "$part becomes available" kubectl rollout status "$part" --timeout=180s --request-timeout=0
done
two_each() {
  local name
  for name in inventory fastapi express people nginx; do
    equal "$(kubectl get deployment "$name" --output 'jsonpath={.status.availableReplicas}')" 2 || return 1
  done
}
check "two replicas of each: the autoscalers' least, and nginx's own" wait_for 60 two_each
# of_people FIELD: of each of its pods, in a line each.
of_people() {
  kubectl get pods --selector app.kubernetes.io/name=people --no-headers --output "custom-columns=it:$1"
}
check "those of people are on two nodes" equal "$(of_people .spec.nodeName | sort -u | wc -l)" 2

# --- A rollout
# ------------------------------------------------------------------------------------------------------

# The least that was available while it went on, looked at several times a second.
rollout() {
  local least=99 updated=0 all=0 now=0
  kubectl set image deployment/people "pouco=pouco-server:another" >/dev/null
  until [ "$updated $all $now" = "2 2 2" ]; do
    read -r updated all now < <(kubectl get deployment people --output \
      'jsonpath={.status.updatedReplicas} {.status.replicas} {.status.availableReplicas}{"\n"}')
    [ "${now:-0}" -ge "$least" ] || least=${now:-0}
    [ "$SECONDS" -lt "$1" ] || return 1
    sleep 0.1
  done
  at_most 2 "$least"
}
check "a rollout never has less than two available" rollout $((SECONDS + 180))
all_new() { equal "$(of_people '.spec.containers[0].image' | sort -u)" pouco-server:another; }
check "and all run the new image" wait_for 60 all_new

# --- The disruption budget
# ------------------------------------------------------------------------------------------

# evict POD: the answer of the server to who would empty a node.
evict() {
  curl --silent --insecure --max-time 10 --output /dev/null --write-out '%{http_code}' \
    --header "Authorization: Bearer $token" --header 'Content-Type: application/json' \
    "https://127.0.0.1:$api/api/v1/namespaces/pouco/pods/$1/eviction" \
    --data "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"$1\"}}"
}
one_allowed() { equal "$(kubectl get pdb people --output 'jsonpath={.status.disruptionsAllowed}')" 1; }
check "the budget of people allows one disruption" wait_for 30 one_allowed
mapfile -t people < <(of_people .metadata.name)
# With no room for the next one, as while nodes are emptied.
for number in 1 2 3; do kubectl cordon "node-$number" >/dev/null; done
check "one pod is evicted" equal "$(evict "${people[0]}")" 201
none_allowed() { equal "$(kubectl get pdb people --output 'jsonpath={.status.disruptionsAllowed}')" 0; }
check "then the budget allows none" wait_for 30 none_allowed
check "and the other one is refused (429)" equal "$(evict "${people[1]}")" 429
for number in 1 2 3; do kubectl uncordon "node-$number" >/dev/null; done
check "with room again, the lost one is replaced" wait_for 60 two_each
