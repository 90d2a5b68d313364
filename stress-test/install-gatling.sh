#!/usr/bin/env bash
# install-gatling.sh DIR: makes DIR/gatling-3.9.5 out of Maven artifacts. Run it again at any time:
# a whole installation is left alone, a damaged one is made anew.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly version=3.9.5
readonly manifest=MANIFEST.sha256

say() { echo "install-gatling.sh: $*"; }
die() {
  echo "install-gatling.sh: $*" >&2
  exit 1
}

java_major() {
  # "1.8.0_392" means 8, "17.0.15" means 17, and an early-access build may be plain "25-ea".
  java -version 2>&1 | sed -n 's/.* version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1
}

missing_tools() {
  local major=0
  if command -v java >/dev/null; then
    major=$(java_major)
  fi
  if ! command -v javac >/dev/null || [ "${major:-0}" -lt 11 ]; then
    echo "default-jdk-headless"
  fi
  command -v mvn >/dev/null || echo "maven"
}

require_tools() {
  local missing
  missing=$(missing_tools | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "missing: ${missing}- installing with apt-get (you are root)"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    missing=$(missing_tools | tr '\n' ' ')
  fi
  [ -z "$missing" ] || die "a JDK (11 or newer) and Maven are needed; on Debian and Ubuntu:" \
    "sudo apt-get install -y default-jdk-headless maven"
}

# Whole means: made by this very script and pom, and every file as it was written.
is_whole() {
  [ -f "$1/$manifest" ] && [ "$(cat "$1/recipe.sha256" 2>/dev/null)" = "$(recipe)" ] &&
    (cd "$1" && sha256sum --quiet --check "$manifest" >/dev/null 2>&1)
}

recipe() {
  (cd "$here" &&
    cat install-gatling.sh gatling/pom.xml gatling/lib.sha256 gatling/bin/gatling.sh gatling/conf/* | sha256sum)
}

is_official_bundle() {
  [ ! -f "$1/$manifest" ] && [ -f "$1/bin/gatling.sh" ] && compgen -G "$1/lib/gatling-app-*.jar" >/dev/null
}

# Maven compares with sums that come from where the files come from. These are ours: the same files, no other.
# With another version: (cd DIR/gatling-…/lib && sha256sum -- *) | LC_ALL=C sort -k 2 >gatling/lib.sha256
verify() {
  local strange
  strange=$(cd "$1" && sha256sum -- * | sort - "$here/gatling/lib.sha256" | uniq -u |
    awk '{ print $2 }' | sort -u)
  [ -z "$strange" ] ||
    die "not as in stress-test/gatling/lib.sha256, and nothing is installed: ${strange//$'\n'/ }"
}

# Fills $1; on failure nothing but $1 is left behind, and the caller removes that.
build() {
  local staging=$1
  mkdir -p "$staging"
  cp -r "$here/gatling/bin" "$here/gatling/conf" "$staging/"
  chmod 755 "$staging/bin/gatling.sh"
  say "fetching Gatling $version and its libraries with Maven (60 MB at the first time)"
  mvn --batch-mode -Dstyle.color=never --quiet --strict-checksums -f "$here/gatling/pom.xml" \
    "-Dpouco.lib=$staging/lib" dependency:copy-dependencies ||
    die "Maven failed (see above). Check the network or the proxy settings of Maven, then run this again"
  verify "$staging/lib"
  recipe >"$staging/recipe.sha256"
  (cd "$staging" && find bin conf lib -type f -print0 | sort -z | xargs -0 sha256sum >"$manifest")
}

main() {
  if [ $# -ne 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
    echo "usage: install-gatling.sh DIR    makes DIR/gatling-$version" >&2
    exit 2
  fi
  mkdir -p "$1"
  local dir home
  dir=$(cd "$1" && pwd)
  home=$dir/gatling-$version

  # Two installs at once would build the same folder; the second waits and finds it whole.
  exec 9>"$dir/.gatling-$version.lock"
  flock 9

  require_tools
  if is_whole "$home"; then
    say "$home is whole"
    return
  fi
  if is_official_bundle "$home"; then
    say "$home is an installation of the official bundle, left as it is"
    return
  fi

  rm -rf "$home".partial.* # left by an install that was interrupted
  staging=$(mktemp -d "$home.partial.XXXXXX")
  trap 'rm -rf "$staging"' EXIT
  chmod 755 "$staging"
  build "$staging"
  if [ -f "$home/$manifest" ]; then
    rm -rf "$home"
  elif [ -e "$home" ]; then
    # Not ours and not usable either: keep it, it may hold something of the user's.
    mv "$home" "$home.broken.$(date -u +%Y%m%dT%H%M%SZ)"
    say "moved an unusable $home aside"
  fi
  mv -T "$staging" "$home"
  say "installed $home"
}

main "$@"
