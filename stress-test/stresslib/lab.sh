# shellcheck shell=bash
# Finds pouco-lab, which does the work of these scripts: POUCO_LAB, or the one that is built, or one built now
# with cargo; without Rust the one of the lab's image. Source it after setting `here` to the folder stress-test.
: "${here:?set it before sourcing this file}"
# shellcheck source-path=SCRIPTDIR source=direct.sh
. "$here/stresslib/direct.sh"

# Whatever the user's locale: one order sorts all, and programs speak English.
export LC_ALL=C

# What the image has runs on this machine itself, since it must see the containers on it: with the
# image's own loader and libraries, whatever this machine's are.
lab_of_image() {
  local top=$1 engine=${CONTAINER_ENGINE:-} kept container
  [ -n "$engine" ] || engine=$(command -v podman || command -v docker) ||
    { echo "neither cargo nor a container engine is here: deploy/install-podman.sh installs podman" >&2; exit 2; }
  kept=${XDG_CACHE_HOME:-$HOME/.cache}/pouco/lab-$(git -C "$top" rev-parse HEAD 2>/dev/null || echo unknown)
  if [ ! -x "$kept/pouco-lab" ]; then
    echo "building the lab's image: no cargo is here" >&2
    case $(basename "$engine") in docker*) ;; *) "$top/deploy/base-images.sh" >&2 ;; esac
    "$engine" build -q -f "$top/deploy/lab.Dockerfile" -t pouco-lab "$top" >&2
    container=$("$engine" create pouco-lab)
    mkdir -p "$(dirname "$kept")"
    rm -rf "$kept.partial"
    "$engine" cp "$container:/usr/local/lib/pouco-lab" "$kept.partial"
    "$engine" rm "$container" >/dev/null
    mv -T "$kept.partial" "$kept"
  fi
  lab=("$kept/loader" --library-path "$kept" "$kept/pouco-lab")
}

find_lab() {
  local top program
  top=$(dirname "$here")
  for program in "${POUCO_LAB:-}" "${CARGO_TARGET_DIR:-$top/target}"/{release,tool,debug}/pouco-lab; do
    if [ -x "$program" ]; then
      lab=("$program")
      return
    fi
  done
  if command -v cargo >/dev/null; then
    lab=(cargo run --quiet --locked --manifest-path "$top/Cargo.toml" --package pouco-lab --)
  else
    lab_of_image "$top"
  fi
}

# lab COMMAND…: what `pouco-lab stress --help` lists.
lab=()
lab() {
  [ "${#lab[@]}" -gt 0 ] || find_lab
  "${lab[@]}" stress --folder "$here" "$@"
}

# The same in place of the script, so that a signal to it reaches the lab.
exec_lab() {
  find_lab
  exec "${lab[@]}" stress --folder "$here" "$@"
}
