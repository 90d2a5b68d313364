#!/bin/bash
# Health check of the balancer: its own answer on the internal port (9998 by default), whatever the replicas
# do (they have checks of their own). Written for bash's own TCP, so that the image needs no HTTP client.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/${1:-9998}"
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
IFS= read -r -t 3 status <&3
[[ $status == *' 200 '* ]]
