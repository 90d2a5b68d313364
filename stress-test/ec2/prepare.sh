# shellcheck shell=bash
# Prepares an EC2 machine for evaluate.sh, which sources this file: packages, delegated cgroup
# controllers, simultaneous multithreading off, the local NVMe disk for podman's storage. Each step
# looks first whether it is done already; what does not survive a reboot is done again after it.

: "${top:?set it before sourcing this file}"

readonly storage_mount=/mnt/pouco
readonly storage_label=pouco-nvme
readonly delegate_conf=/etc/systemd/system/user@.service.d/delegate.conf
readonly storage_conf=/etc/containers/storage.conf
readonly exit_reboot_needed=10

prepare_machine() {
  local device=$1 format=$2
  [ "$(id -u)" -ne 0 ] || die "run this as a plain user with sudo, as the stack is meant to run there; --local serves root"
  require sudo
  install_packages
  delegate_controllers
  multithreading_off
  mount_storage "$device" "$format"
  storage_on_mount
}

install_packages() {
  "$top/deploy/install-podman.sh"
  if ! command -v javac >/dev/null || ! command -v mvn >/dev/null; then
    sudo apt-get install -y -qq default-jdk-headless maven
  fi
}

# Without it a rootless container's limits are accepted and ignored.
delegate_controllers() {
  local uid controllers
  uid=$(id -u)
  controllers=$(cat "/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/cgroup.controllers" 2>/dev/null || true)
  case " $controllers " in
    *' cpu '*) case " $controllers " in *' memory '*) return ;; esac ;;
  esac
  if ! grep -qs '^Delegate=.*cpu' "$delegate_conf"; then
    sudo mkdir -p "$(dirname "$delegate_conf")"
    printf '[Service]\nDelegate=memory pids cpu cpuset\n' | sudo tee "$delegate_conf" >/dev/null
    sudo systemctl daemon-reload
  fi
  say "the controllers cpu and memory are delegated to users from the next boot on: sudo reboot, then run this again"
  exit "$exit_reboot_needed"
}

# Two threads of one core would make a CPU second of the stack depend on what its sibling does.
multithreading_off() {
  local control=/sys/devices/system/cpu/smt/control
  case $(cat "$control" 2>/dev/null || echo unknown) in
    on)
      echo off | sudo tee "$control" >/dev/null
      say "multithreading is off until the next boot; $(nproc) CPUs remain"
      ;;
    off | forceoff) say "multithreading is off" ;;
    *) say "multithreading cannot be switched here ($(cat "$control" 2>/dev/null || echo 'no such control'))" ;;
  esac
}

# The instance store of EC2, if there is exactly one.
find_instance_store() {
  local found
  found=$(lsblk -dnpo NAME,MODEL | awk '/Instance Storage/ { print $1 }')
  [ "$(wc -w <<<"$found")" -eq 1 ] || die "cannot tell which disk is the local NVMe (found: ${found:-none}): name it with --storage"
  echo "$found"
}

# What a device carries, or nothing if it is blank: partitions, or the signature of a file system.
contents_of() {
  local children
  children=$(lsblk -nro NAME "$1" | tail -n +2 | tr '\n' ' ')
  [ -z "$children" ] || echo "partitions or volumes ($children)"
  # Without --no-act it would erase them.
  sudo wipefs --no-act --noheadings --output TYPE,LABEL "$1" | tr -s ' \n' ' ' | sed 's/ $//'
}

mount_storage() {
  local device=$1 format=$2 contents mounted
  if mountpoint -q "$storage_mount"; then
    say "$storage_mount is mounted"
    return
  fi
  [ -n "$device" ] || device=$(find_instance_store)
  [ -b "$device" ] || die "$device is no block device"
  # Of the whole tree: a partition of it that is the root file system makes it in use as well.
  mounted=$(lsblk -nro MOUNTPOINT "$device" | tr '\n' ' ')
  [ -z "${mounted// /}" ] || die "$device is in use already, at ${mounted% }"
  contents=$(contents_of "$device")
  if [ "$contents" = "ext4 $storage_label" ]; then
    say "$device was made by an earlier evaluation, keeping it"
  else
    may_format "$device" "$contents" "$format"
    # Everything is written at once: no lazy initialisation that would run during the test.
    sudo mkfs.ext4 -q -F -m 0 -L "$storage_label" -E lazy_itable_init=0,lazy_journal_init=0,discard "$device"
  fi
  sudo mkdir -p "$storage_mount"
  sudo mount "$device" "$storage_mount"
  sudo chown "$(id -u):$(id -g)" "$storage_mount"
  say "$device is mounted at $storage_mount"
}

# Returns only if the device may be erased.
may_format() {
  local device=$1 contents=$2 format=$3 answer=''
  [ "$format" = no ] || return 0
  [ -z "$contents" ] ||
    die "$device is not blank, it carries: $contents. Nothing was changed. To ERASE it, pass --format"
  if [ -t 0 ]; then
    read -r -p "$device ($(lsblk -dno SIZE "$device" | tr -d ' ')) is blank. Make a file system on it? Type yes: " answer
  fi
  [ "$answer" = yes ] || die "no file system was made on $device; pass --format to do so without a question"
}

storage_on_mount() {
  local wanted root
  wanted=$(printf '[storage]\ndriver = "overlay"\nrootless_storage_path = "%s/storage"' "$storage_mount")
  if [ "$(cat "$storage_conf" 2>/dev/null)" != "$wanted" ]; then
    if [ -e "$storage_conf" ]; then
      sudo cp --backup=numbered "$storage_conf" "$storage_conf.before-pouco"
      say "kept your $storage_conf as $storage_conf.before-pouco"
    fi
    sudo mkdir -p "$(dirname "$storage_conf")"
    printf '%s\n' "$wanted" | sudo tee "$storage_conf" >/dev/null
  fi
  root=$(podman info --format '{{.Store.GraphRoot}}')
  case $root in
    "$storage_mount"/*) say "podman stores images and volumes in $root" ;;
    *) die "podman still stores in $root: it remembers its first place. If nothing in it is needed: podman system reset" ;;
  esac
}
