#!/usr/bin/env bash
# Starts Gatling with the flags of the official bundle that run-test.sh uses, so that either
# installation serves it. Installed by install-gatling.sh as <gatling home>/bin/gatling.sh.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: gatling.sh -s SIMULATION -sf SIMULATIONS_DIR [options]
  -s,   --simulation CLASS           simulation to run
  -sf,  --simulations-folder DIR     Scala sources, compiled when they changed
  -rsf, --resources-folder DIR       put on the class path
  -rf,  --results-folder DIR         where the run's folder is made (default: <home>/results)
  -rd,  --run-description TEXT       shown in the report
  -rm,  --run-mode local             the only mode there is
  -bm,  --batch-mode                 accepted: nothing is ever asked
  -nr,  --no-reports                 write simulation.log only
  -ro,  --reports-only RUN           make the report of an earlier run
  -erjo, --extra-run-jvm-options S   options for the JVM, split at blanks
Environment: JAVA_HOME, JAVA_OPTS (default -Xmx1G), GATLING_CACHE_DIR (default <home>/target).
EOF
}

die() {
  echo "gatling.sh: $*" >&2
  exit 2
}

# Prints the folder with the compiled classes of the sources below $1. Its name is the hash of
# the sources and of the compiler, so an unchanged simulation starts without compiling.
compile() {
  local sources_dir=$1 sources key classes staging
  mapfile -d '' -t sources < <(find -L "$sources_dir" -name '*.scala' -type f -print0 | sort -z)
  [ "${#sources[@]}" -gt 0 ] || die "no .scala file below $sources_dir"
  key=$({ cat "${sources[@]}"; ls "$home/lib"; } | sha256sum | cut -c 1-16)
  classes=$cache/$key
  if [ ! -d "$classes" ]; then
    mkdir -p "$cache"
    staging=$(mktemp -d "$cache/compiling.XXXXXX")
    echo "gatling.sh: compiling ${#sources[@]} source(s)" >&2
    "$java" -Xmx1G -cp "$home/lib/*" scala.tools.nsc.Main -usejavacp -deprecation \
      -d "$staging" "${sources[@]}" >&2 || { rm -rf "$staging"; die "compilation failed"; }
    # A rename is atomic: of two starts at once the second finds the folder taken and drops its own.
    mv -T "$staging" "$classes" 2>/dev/null || rm -rf "$staging"
  fi
  echo "$classes"
}

home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
cache=${GATLING_CACHE_DIR:-$home/target}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
simulations='' resources='' results=$home/results extra_jvm_options=''
gatling_args=()

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    -bm | --batch-mode) shift; continue ;;
    -nr | --no-reports) gatling_args+=(-nr); shift; continue ;;
  esac
  [ $# -ge 2 ] || die "$1 needs a value, or is not known; see --help"
  case $1 in
    -rm | --run-mode) [ "$2" = local ] || die "run mode '$2' is not supported, only 'local'" ;;
    -s | --simulation) gatling_args+=(-s "$2") ;;
    -rd | --run-description) gatling_args+=(-rd "$2") ;;
    -ro | --reports-only) gatling_args+=(-ro "$2") ;;
    -rf | --results-folder) results=$2 ;;
    -sf | --simulations-folder) simulations=$2 ;;
    -rsf | --resources-folder) resources=$2 ;;
    -erjo | --extra-run-jvm-options) extra_jvm_options=$2 ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift 2
done

command -v "$java" >/dev/null || die "java is missing: install a JDK, 11 or newer"
class_path=$home/conf
if [ -n "$simulations" ]; then
  classes=$(compile "$simulations")
  class_path+=:$classes
  gatling_args+=(-bf "$classes")
fi
[ -z "$resources" ] || class_path+=:$resources
class_path+=":$home/lib/*"

# The add-opens is for netty and akka on Java 17 and newer. Unquoted options are split on purpose.
# shellcheck disable=SC2086
exec "$java" --add-opens=java.base/java.lang=ALL-UNNAMED ${JAVA_OPTS:--Xmx1G} $extra_jvm_options \
  -cp "$class_path" io.gatling.app.Gatling -rf "$results" "${gatling_args[@]}"
