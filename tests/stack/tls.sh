#!/usr/bin/env bash
# nginx with TLS (deploy/tls) before one replica, in containers without a network, with a certificate that is
# made here.
#
#   tests/stack/tls.sh     needs the images pouco-server and pouco-nginx, curl with HTTP/2, openssl, and root
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/../.."
engine=${ENGINE:-podman}
# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh
planned=15

work=$(mktemp -d)
name=pouco-tls-$$
volume=$name-sockets
clean() {
  "$engine" rm -f "$name-nginx" "$name-api" >/dev/null 2>&1 || true
  "$engine" volume rm "$volume" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=api.example \
  -addext subjectAltName=DNS:api.example -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
chmod 755 "$work" && chmod 644 "$work"/*.pem

"$engine" run -d --name "$name-api" --network none --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 \
  -v "$volume:/run/pouco" -e POUCO_APIS=edge \
  -e POUCO_LISTEN=unix:/run/pouco/api1.sock -e POUCO_ADMIN_LISTEN=off pouco-server >/dev/null
"$engine" run -d --name "$name-nginx" --network none --sysctl net.ipv4.ip_unprivileged_port_start=80 --read-only \
  --tmpfs /tmp:size=16m,mode=1777 --cap-drop ALL --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 \
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

all_ran
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
