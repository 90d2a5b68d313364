#!/bin/sh
# Becomes InfluxDB; the database of INFLUXDB_DB is made as soon as it answers, if it is not there yet.
set -eu
address=${INFLUXDB_HTTP_BIND_ADDRESS:-:8086}

make_database() {
  tries=0
  until influx -host 127.0.0.1 -port "${address##*:}" -execute "CREATE DATABASE \"$INFLUXDB_DB\"" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 240 ]; then
      echo "entrypoint: InfluxDB does not answer; there is no database $INFLUXDB_DB" >&2
      return 1
    fi
    sleep 0.5
  done
}

if [ -n "${INFLUXDB_DB:-}" ]; then make_database & fi
# Without a file of settings; what is set is in the environment.
exec influxd run -config /dev/null
