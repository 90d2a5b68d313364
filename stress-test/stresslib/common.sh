# shellcheck shell=bash
# What the scripts share that do more than to call the lab. Source it after setting `here` to the folder
# stress-test.
: "${here:?set it before sourcing this file}"
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$here/stresslib/lab.sh"

base_url=${POUCO_BASE_URL:-http://localhost:9999}
base_url=${base_url%/}
readonly base_url
# shellcheck disable=SC2034 # of those who source this
readonly replica_containers=(pouco-api1 pouco-api2) postgres_container=pouco-postgres

me=$(basename "$0")
readonly me

say() { echo "$me: $*"; }
warn() { echo "$me: $*" >&2; }
die() {
  warn "$@"
  exit 2
}

require() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is missing; on Debian and Ubuntu: sudo apt-get install -y $tool"
  done
}

require_free_port() {
  if curl -s -o /dev/null --max-time 2 "$base_url/contagem-pessoas"; then
    die "something answers on $base_url already: stop it first"
  fi
}
