#!/usr/bin/env bash
# nginx with TLS (deploy/tls) before one replica, and replicas before a Redis with TLS, in containers without
# a network, with certificates that are made here.
#
#   tests/stack/tls.sh     needs the images pouco-server, pouco-nginx and pouco-redis, curl with HTTP/2,
#                          openssl, and root
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
engine=${ENGINE:-podman}
# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh
planned=30

work=$(mktemp -d)
name=pouco-tls-$$
volume=$name-sockets
clean() {
  "$engine" rm -f "$name-nginx" "$name-api" "$name-one" "$name-two" >/dev/null 2>&1 || true
  # Those two had its network.
  "$engine" rm -f "$name-redis" >/dev/null 2>&1 || true
  "$engine" volume rm "$volume" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT

# certificate HOST KEY CERTIFICATE: by nobody but itself, and no authority's.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
    -addext "subjectAltName=DNS:$1" -addext basicConstraints=critical,CA:FALSE \
    -keyout "$work/$2" -out "$work/$3" 2>/dev/null
}
certificate api.example key.pem cert.pem
certificate localhost redis-key.pem redis-cert.pem
chmod 755 "$work" && chmod 644 "$work"/*.pem

readonly limits=(--ulimit nofile=20000:20000 --ulimit nproc=4096:4096)
"$engine" run -d --name "$name-api" --network none "${limits[@]}" -v "$volume:/run/pouco" -e POUCO_APIS=edge \
  -e POUCO_LISTEN=unix:/run/pouco/api1.sock -e POUCO_ADMIN_LISTEN=off pouco-server >/dev/null
"$engine" run -d --name "$name-nginx" --network none --sysctl net.ipv4.ip_unprivileged_port_start=80 --read-only \
  --tmpfs /tmp:size=16m,mode=1777 --cap-drop ALL "${limits[@]}" \
  -v "$volume:/run/pouco" \
  -v "$PWD/nginx.conf:/etc/nginx/nginx.conf:ro" -v "$PWD/deploy/tls:/etc/nginx/tls:ro" -v "$work:/run/tls:ro" \
  pouco-nginx >/dev/null
inside=$("$engine" inspect -f '{{.State.Pid}}' "$name-nginx")

# ask HOST:PORT ADDRESS WORDS…: curl in nginx's network, with the certificate as the one that is known.
ask() {
  local to=$1 address=$2
  shift 2
  nsenter -t "$inside" -n curl -sS --max-time 10 --cacert "$work/cert.pem" --resolve "$to:$address" "$@"
}
fails() { ! "$@"; }
contains_status() { contains "$("${@:2}")" " $1"; }
get() { ask api.example:443 "$1" -D - "${@:3}" "https://api.example$2"; }

wait_for 20 get 127.0.0.1 /

check 'HTTP/2 over IPv4' contains "$(get 127.0.0.1 /)" 'HTTP/2 200'
check 'HTTP/2 over IPv6' contains "$(get '[::1]' /)" 'HTTP/2 200'
check 'HTTP/1.1 for who wants it' contains "$(get 127.0.0.1 / --http1.1)" 'HTTP/1.1 200'
check 'TLS 1.2' contains "$(get 127.0.0.1 / --tls-max 1.2)" ' 200'
check 'no older TLS' fails get 127.0.0.1 / --tls-max 1.1
check 'no other host' fails ask other.example:443 127.0.0.1 https://other.example/
"$engine" stop -t 10 "$name-api" >/dev/null
gone=$(get 127.0.0.1 /)
"$engine" start "$name-api" >/dev/null
wait_for 20 contains_status 200 get 127.0.0.1 /
for field in 'strict-transport-security: max-age=63072000' 'x-content-type-options: nosniff' 'x-frame-options: DENY' \
  'referrer-policy: no-referrer'; do
  check "$field" contains "$(get 127.0.0.1 /nginx/static-text)" "$field"
done
check "nginx's own errors have them as well" contains "$gone" 'strict-transport-security'
check 'each field once' equal "$(get 127.0.0.1 /docs | grep -ci '^x-content-type-options')" 1
check 'plain text is sent on' contains "$(ask api.example:80 127.0.0.1 -D - 'http://api.example/a?b')" \
  'https://api.example/a?b'
check 'and over IPv6' contains "$(ask api.example:80 '[::1]' -D - http://api.example/)" '308'
check 'nothing asks for TLS without it' fails contains \
  "$(ask api.example:9999 127.0.0.1 -D - http://api.example:9999/)" 'trict-'

# A replica takes 16 KB of a head and 8 KB of a target, nginx somewhat more: whoever refuses, the words are
# the same.
long() { head -c "$1" /dev/zero | tr '\0' a; }
refusal() { ask api.example:443 127.0.0.1 -w ' %{http_code}' "$@"; }
fields='{"error":"request header fields too large"} 431'
target='{"error":"uri too long"} 414'
# Over HTTP/2 nginx ends the stream of one that it does not take, without an answer.
a=$(long 7900) b=$(long 8500) c=$(long 15000)
for version in --http1.1 --http2; do
  check "$version: a head of nearly 16 KB" contains "$(get 127.0.0.1 / "$version" -H "a: $a" -H "b: $a")" ' 200'
  check "$version: one of more, by the replica" equal \
    "$(refusal "$version" -H "a: $b" -H "b: $b" https://api.example/)" "$fields"
  check "$version: a target of 8.5 KB, by the replica" equal \
    "$(refusal "$version" "https://api.example/$b")" "$target"
done
check '--http1.1: one of 45 KB, by nginx' equal \
  "$(refusal --http1.1 -H "a: $c" -H "b: $c" -H "c: $c" https://api.example/)" "$fields"
check '--http1.1: a target of 23 KB, by nginx' equal \
  "$(refusal --http1.1 "https://api.example/$b$c")" "$target"

# --- Redis with TLS, users, and the slots of a cluster -----------------------------------------------------
password='S3cret:w@rd%$'
printf '%s\n' "$password" >"$work/password" && chmod 644 "$work/password"
# A cluster of one: it refuses a script whose keys are in two slots.
"$engine" run -d --name "$name-redis" --network none "${limits[@]}" -v "$work:/run/tls:ro" pouco-redis \
  redis-server --port 0 --tls-port 6380 --tls-cert-file /run/tls/redis-cert.pem \
  --tls-key-file /run/tls/redis-key.pem --tls-auth-clients no --cluster-enabled yes --dir /data --save '' \
  --user app on ">$password" '~*' '+@all' --user default off >/dev/null
redis() {
  "$engine" exec -e REDISCLI_AUTH="$password" "$name-redis" redis-cli --tls --cacert /run/tls/redis-cert.pem \
    -p 6380 --user app "$@"
}
answers_cluster() { contains "$(redis cluster info 2>&1)" 'cluster_state:ok'; }
pings() { contains "$(redis ping 2>&1)" PONG; }
wait_for 20 pings
redis cluster addslotsrange 0 16383 >/dev/null
wait_for 20 answers_cluster
shared=$("$engine" inspect -f '{{.State.Pid}}' "$name-redis")

# replica NAME PORT WORDS…: in Redis's network.
replica() {
  "$engine" rm -f "$name-$1" >/dev/null 2>&1 || true
  "$engine" run -d --name "$name-$1" --network "container:$name-redis" "${limits[@]}" -v "$work:/run/tls:ro" \
    -e POUCO_APIS=edge -e POUCO_LISTEN="tcp:127.0.0.1:$2" -e POUCO_ADMIN_LISTEN=off \
    -e REDIS_HOST=rediss://localhost:6380 -e REDIS_USER=app -e REDIS_PASSWORD_FILE=/run/tls/password \
    -e POUCO_REDIS_ROOT_CERT=/run/tls/redis-cert.pem -e POUCO_REDIS_TIMEOUT_MS=1000 "${@:3}" \
    pouco-server >/dev/null
}
# page PORT: what the answer says of the cache.
page() {
  nsenter -t "$shared" -n curl -sS --max-time 10 -o /dev/null -D - "http://127.0.0.1:$1/redis/static-text" |
    tr -d '\r' | sed -n 's/^x-cache-status: //Ip'
}
is() { [ "$(page "$1" 2>/dev/null)" = "$2" ]; }
says() { contains "$("$engine" logs "$name-$1" 2>&1)" "$2"; }
replica one 8101
replica two 8102
check 'Redis over TLS, signed in as a user' wait_for 20 is 8101 HIT
check 'what one replica has stored the other finds' wait_for 20 is 8102 HIT
check 'it is in Redis, with a slot of its own' equal "$(redis dbsize)" 1
check 'no log tells the password' fails says one S3cret
replica two 8102 -e POUCO_REDIS_ROOT_CERT=/run/tls/cert.pem
check 'another authority is not believed' wait_for 20 says two certificate
check 'and the page is there without Redis' wait_for 20 is 8102 BYPASS
redis acl setuser app resetpass '>another' >/dev/null
replica two 8102
check 'a password that is not right is told' wait_for 20 says two invalid

all_ran
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
