#!/usr/bin/env bash
# The start of a replica with a million people: how long until it is ready, and until searches are answered
# from memory, with one CPU and with a quarter of one. Postgres has no limit. Three minutes, most of them to
# fill the table with people of the contest's kind.
#
#   tests/start.sh [PEOPLE [CPUS…]]    1000000 1 0.25, if nothing is said; POUCO names another program than
#                                      the image's; ENGINE=docker for docker
#
# A replica that takes more than 10 s of one CPU, or 30 s of less, fails. What the kernel counted is printed
# too: beside others a CPU's second takes longer than one.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.." || exit

readonly people=${1:-1000000}
cpus=(1 0.25)
[ $# -lt 2 ] || cpus=("${@:2}")
readonly planned=$((4 + 4 * ${#cpus[@]})) prefix=pouco-start-$$
readonly engine=${ENGINE:-podman}

# shellcheck source=tests/stack/lib.sh
source tests/stack/lib.sh

# The verdict is the last line, however the script ends.
finish() {
  local container
  for container in replica postgres; do
    [ "$failed" -eq 0 ] || "$engine" logs --tail 8 "$prefix-$container" 2>&1
    "$engine" rm --force --time 0 "$prefix-$container" >/dev/null 2>&1
  done
  "$engine" volume rm --force "$prefix-data" "$prefix-database" "$prefix-sockets" >/dev/null 2>&1
  all_ran
  printf 'start: %d passed, %d failed, in %d s\n' "$passed" "$failed" "$SECONDS"
  [ "$failed" -eq 0 ] || exit 1
}
trap finish EXIT

for tool in "$engine" curl awk; do
  command -v "$tool" >/dev/null || { echo "FAIL  $tool is missing"; exit 1; }
done
for image in pouco-server pouco-postgres; do
  "$engine" image inspect "$image" >/dev/null 2>&1 ||
    { echo "FAIL  there is no image $image: podman-compose build"; exit 1; }
done

limits=(--network none --read-only --tmpfs "/tmp:size=16m,mode=1777" --cap-drop ALL
  --ulimit nofile=20000:20000 --ulimit nproc=4096:4096)
served=(--volume "$prefix-sockets:/run/pouco" --volume "$prefix-database:/run/postgresql"
  --env "DATABASE_URL=host=/run/postgresql user=pouco dbname=pouco")
[ -z "${POUCO:-}" ] || served+=(--volume "$(readlink -f "$POUCO"):/usr/local/bin/pouco:ro,z")
"$engine" run --detach --name "$prefix-postgres" "${limits[@]}" --volume "$prefix-data:/var/lib/postgresql" \
  --volume "$prefix-database:/run/postgresql" pouco-postgres >/dev/null
sql() {
  "$engine" exec --interactive "$prefix-postgres" \
    psql -X -At -v ON_ERROR_STOP=1 -U pouco -d pouco "$@"
}
check "Postgres answers" wait_for 60 sql --command 'SELECT 1'
check "its tables are made" \
  "$engine" run --rm "${limits[@]}" "${served[@]}" --env POUCO_APIS=people pouco-server migrate

# Lengths as in the contest: a nickname of 6 to 32 letters, which so many people have for themselves, a name
# of 1 to 100 letters and blanks, no stack for one of 14, else 1 to 26 of 25 languages. A hash is the chance.
fill() {
  sql --variable "people=$people" <<'SQL'
CREATE FUNCTION pg_temp.letters(seed text) RETURNS text LANGUAGE sql IMMUTABLE RETURN
    translate(encode(sha512(seed::bytea), 'base64'), E'0123456789+/=\n', ' abcdefghijk');
INSERT INTO people (id, apelido, nome, nascimento, stack)
SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(hex, 1, 3) ||
        '8' || substr(hex, 4, 15))::uuid,
       left(replace(pg_temp.letters('nick' || n), ' ', 'x'), 6 + get_byte(bytes, 0) % 27),
       left(pg_temp.letters('name' || n) || pg_temp.letters('more' || n), 1 + get_byte(bytes, 1) % 100),
       date '1940-01-01' + n % 29000,
       CASE WHEN n % 14 > 0 THEN
           (SELECT array_agg(languages[1 + get_byte(bytes, 6 + pick) % 25])
            FROM generate_series(0, get_byte(bytes, 2) % 26) AS pick) END
FROM generate_series(1, :people) AS n,
     LATERAL (SELECT md5(n::text) AS hex, sha256(n::text::bytea) AS bytes) AS hash,
     (SELECT string_to_array('Assembly C C# C++ Clojure COBOL Dart Elixir Erlang F# Go Haskell Java '
          'JavaScript Julia Kotlin Lua Perl PHP Python R Ruby Rust Scala Swift', ' ') AS languages) AS known;
VACUUM ANALYZE people;
SQL
}
check "$people people are stored" fill
check "and written" sql --username postgres --command CHECKPOINT

sockets=$("$engine" volume inspect --format '{{.Mountpoint}}' "$prefix-sockets")
metric() { by_socket admin.sock /metrics | awk -v name="$1" '$1 == name { print $2 }'; }
is_ready() { equal "$(by_socket admin.sock /readyz --output /dev/null --write-out '%{http_code}')" 200; }
is_whole() { equal "$(metric pouco_search_index_complete)" 1; }
# The container's CPU time in milliseconds, by cgroup v1 or v2.
cpu_ms() {
  local folder
  folder=$(cgroup_folders "$prefix-$1" cpuacct | head -n 1)
  if [ -r "$folder/cpuacct.usage" ]; then awk '{ printf "%d", $1 / 1e6 }' "$folder/cpuacct.usage"; return; fi
  folder=$(cgroup_folders "$prefix-$1" cpu | head -n 1)
  awk '$1 == "usage_usec" { printf "%d", $2 / 1e3 }' "$folder/cpu.stat"
}
# started CPUS WITHIN_S: a replica is started, and what that took is told.
started() {
  local begun since ready_ms postgres_ms
  "$engine" rm --force --time 0 "$prefix-replica" >/dev/null 2>&1
  "$engine" create --name "$prefix-replica" "${limits[@]}" "${served[@]}" --cpus "$1" --memory 512m \
    --env POUCO_APIS=people --env POUCO_CACHE_BYTES=402653184 --env POUCO_LISTEN=unix:/run/pouco/public.sock \
    --env POUCO_ADMIN_LISTEN=unix:/run/pouco/admin.sock pouco-server >/dev/null
  postgres_ms=$(cpu_ms postgres)
  "$engine" start "$prefix-replica" >/dev/null
  check "$1 CPU: ready at all" wait_for 120 is_ready
  begun=$(metric process_start_time_seconds)
  since=$(awk -v now="$(now_ms)" -v begun="$begun" 'BEGIN { printf "%d", now - 1000 * begun }')
  ready_ms=$since
  check "$1 CPU: all people are in memory" wait_for 60 is_whole
  printf '      ready after %d ms; CPU: %d ms here, %d ms in Postgres; index %s bytes, process %s bytes\n' \
    "$ready_ms" "$(cpu_ms replica)" $(($(cpu_ms postgres) - postgres_ms)) \
    "$(metric pouco_search_index_bytes)" "$(metric process_resident_memory_bytes)"
  check "$1 CPU: each of them" equal "$(metric pouco_search_index_people)" "$people"
  check "$1 CPU: ready within $2 s" at_most "$ready_ms" $(($2 * 1000))
}
for cpu in "${cpus[@]}"; do
  started "$cpu" "$(awk -v cpu="$cpu" 'BEGIN { print (cpu < 1 ? 30 : 10) }')"
done
