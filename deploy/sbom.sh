#!/usr/bin/env bash
# What the images are made of, as CycloneDX documents (JSON): the server's crates by cargo-cyclonedx, since a
# program of Rust does not tell them, and every other package of each image by Trivy.
#
#   deploy/sbom.sh FOLDER [IMAGE…]      FOLDER/pouco.cdx.json, FOLDER/IMAGE.cdx.json; ENGINE=docker for docker
#
# The first run compiles cargo-cyclonedx, which takes minutes. Without an image no container runs.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=deploy/trivy.sh
source deploy/trivy.sh

readonly version=0.5.9
readonly tools=${XDG_CACHE_HOME:-$HOME/.cache}/pouco-ci/cargo-cyclonedx-$version
[ $# -ge 1 ] || { echo "usage: deploy/sbom.sh FOLDER [IMAGE…]" >&2; exit 2; }
mkdir -p "$1"
into=$(readlink -f "$1")
shift

if [ ! -x "$tools/bin/cargo-cyclonedx" ]; then
  cargo install --locked --quiet --root "$tools" --version "$version" cargo-cyclonedx
fi
# In a copy of the manifests: it writes next to each of them. As the image is built, without `embedded`, which
# the lab's tests and the tools would switch on for all of the workspace: the copy has neither.
sources=$(mktemp -d)
sh deploy/stub-workspace.sh "$PWD" "$sources/pouco"
rm -r "$sources/pouco/lab" "$sources/pouco/tools"
sed -i -e 's/^members = .*/members = [".", "exposition"]/' -e '/^pouco-tools = /d' "$sources/pouco/Cargo.toml"
PATH=$tools/bin:$PATH cargo cyclonedx --quiet --manifest-path "$sources/pouco/Cargo.toml" --format json \
  --spec-version 1.5 --no-default-features --target x86_64-unknown-linux-gnu
mv "$sources/pouco/pouco.cdx.json" "$into/"
rm -r "$sources"

document() { trivy_sees "$1" image --input /scanned/image.tar --format cyclonedx >"$into/$2.cdx.json"; }
for image in "$@"; do with_image "$image" document "$image"; done
printf 'sbom: %s\n' "$into"/*.cdx.json
