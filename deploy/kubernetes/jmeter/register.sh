#!/bin/bash
# Registers the plan's user at the back end. One of an earlier run has another password, so each run has its
# own user.
set -euo pipefail
body="{\"email\":\"$EMAIL\",\"password\":\"$PASSWORD\",\"full_name\":\"JMeter\"}"
for _ in $(seq 1 60); do
  if exec 3<>"/dev/tcp/$HOST/$PORT"; then
    printf 'POST /api/v1/auth/register HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n' "$HOST" >&3
    printf 'Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
    IFS= read -r -t 10 status <&3
    echo "register: $HOST: $status"
    [[ $status == *' 20'[01]* ]] && exit 0
  fi
  sleep 1
done
exit 1
