#!/bin/sh
# Puts what the environment sets into the configuration, and becomes Prometheus. What is mounted is copied, so
# that the configuration's relative names of rules hold, here as in the repository.
set -eu
interval=${PROMETHEUS_INTERVAL:-5s}
listen=${PROMETHEUS_LISTEN:-127.0.0.1:9090}
containers=${PROMETHEUS_CONTAINERS:-127.0.0.1:9101}

made=/tmp/prometheus
mkdir -p "$made"
cp /etc/pouco-prometheus/*.yml "$made/"
sed -e "s/^\( *\)\(scrape\|evaluation\)_interval: .*/\1\2_interval: $interval/" \
    -e "s/127\.0\.0\.1:9090/$listen/" -e "s/127\.0\.0\.1:9101/$containers/" \
    /etc/pouco-prometheus/prometheus.yml >"$made/prometheus.yml"

exec prometheus \
  --config.file="$made/prometheus.yml" \
  --web.listen-address="$listen" \
  --storage.tsdb.path=/var/lib/pouco-prometheus \
  --storage.tsdb.retention.time="${PROMETHEUS_RETENTION_TIME:-7d}" \
  --storage.tsdb.retention.size="${PROMETHEUS_RETENTION_SIZE:-512MB}" \
  --query.timeout=30s --query.max-concurrency=4 --query.max-samples=5000000 \
  --web.max-connections=64 --web.read-timeout=30s \
  --log.level=warn "$@"
