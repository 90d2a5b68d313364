#!/usr/bin/env bash
# install.sh DIR: makes a home of JMeter 5.6.3 in DIR out of Maven artifacts. One that is there is left alone.
set -euo pipefail

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly version=5.6.3

die() {
  echo "install.sh: $*" >&2
  exit 2
}

[ $# -eq 1 ] || die "usage: install.sh DIR"
home=$1
[ ! -f "$home/installed" ] || exit 0
for tool in java mvn unzip; do
  command -v "$tool" >/dev/null ||
    die "$tool is missing; on Debian and Ubuntu: apt-get install default-jdk-headless maven unzip"
done
[ ! -e "$home" ] || die "$home is there, and no whole home of JMeter: remove it, or name another"

draft=$(mktemp -d "$(dirname "$(readlink -m "$home")")/.jmeter-XXXXXX")
trap 'rm -rf "$draft"' EXIT
mkdir -p "$draft/lib/ext" "$draft/lib/junit"
cp "$here/pom.xml" "$draft/pom.xml"
mvn -q -B -f "$draft/pom.xml" dependency:copy-dependencies -Dpouco.lib="$draft/lib" ||
  die "Maven could not fetch JMeter $version"
# Maven compares with sums that come from where the files come from. These are ours: the same files, no other.
# With another version: (cd DIR && sha256sum -- *.jar) | LC_ALL=C sort -k 2 >lib.sha256, of what Maven copies.
strange=$(cd "$draft/lib" && sha256sum -- *.jar | sort - "$here/lib.sha256" | uniq -u |
  awk '{ print $2 }' | sort -u)
[ -z "$strange" ] || die "not as in jmeter/lib.sha256, and nothing is installed: ${strange//$'\n'/ }"
(cd "$draft" && unzip -qo "lib/ApacheJMeter_config-$version.jar" 'bin/*')
mv "$draft/lib/ApacheJMeter-$version.jar" "$draft/bin/ApacheJMeter.jar"
for part in components core functions http; do
  mv "$draft/lib/ApacheJMeter_$part-$version.jar" "$draft/lib/ext/"
done
rm -rf "$draft/pom.xml" "$draft/target"
echo "$version" > "$draft/installed"
mv "$draft" "$home"
trap - EXIT
