#!/usr/bin/env bash
# A certificate and its key for Postgres, whose user in the image has the number 10002; needs openssl and root.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p certificate
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
  -keyout certificate/key.pem -out certificate/cert.pem 2>/dev/null
chown 10002 certificate/key.pem
chmod 600 certificate/key.pem
