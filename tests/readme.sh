#!/usr/bin/env bash
# Does what the README's first page says, to the letter: `cargo run --release`, then each of its curl
# commands, then Ctrl-C. Port 9999 must be free. The data is in a folder of its own, and nothing of the user's
# is touched.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# shellcheck source=stress-test/stresslib/direct.sh
source stress-test/stresslib/direct.sh

readonly start_limit_s=120
folder=$(mktemp -d)
# As root, Postgres runs as somebody else, who has to reach its data.
chmod 755 "$folder"
server=

say() { printf 'readme: %s\n' "$*"; }
fail() {
  printf 'readme: %s\n' "$*" >&2
  [ ! -s "$folder/log" ] || cat "$folder/log" >&2
  exit 1
}

# Only what was started here.
end() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap end EXIT

# answers PATTERN COMMAND: the README's command, and what must be in its answer.
answers() {
  local answer
  answer=$(bash -c "$2" 2>/dev/null) || fail "it failed: $2"
  grep -qE "$1" <<<"$answer" || fail "$2 answered: $answer"
  say "$2"
}

mapfile -t commands < <(grep -E '^curl ' README.md)
[ "${#commands[@]}" -eq 3 ] || fail "README.md has ${#commands[@]} curl commands, and this script knows what 3 of them answer"
if curl -s -o "$folder/other" http://localhost:9999/; then fail "something answers on port 9999 already"; fi

# Built first, so that the time below is that of the start alone.
cargo build --release --locked
POUCO_DATA_DIR="$folder/data" cargo run --release --locked --quiet >"$folder/log" 2>&1 &
server=$!
deadline=$((SECONDS + start_limit_s))
until curl -sf -o "$folder/count" http://localhost:9999/contagem-pessoas; do
  kill -0 "$server" 2>/dev/null || fail "it ended"
  [ "$SECONDS" -lt "$deadline" ] || fail "not up within $start_limit_s s"
  sleep 0.2
done

answers '^HTTP/1.1 201 ' "${commands[0]}"
answers '"apelido":"ana"' "${commands[1]}"
answers '^1$' "${commands[2]}"

# `cargo run` has become the server by now: cargo replaces itself with what it runs.
kill -INT "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" -eq 0 ] || fail "Ctrl-C ended it with exit code $status"
say "Ctrl-C ends it in order"
