# shellcheck shell=bash
# Sourced by each script that asks this machine over HTTP: loopback is asked directly, whatever proxy the
# environment names. curl, Python and Go read one of these two names, or both. A lone * is kept: within a list
# it would mean nothing.
no_proxy=${no_proxy:-${NO_PROXY:-}}
case $no_proxy in
  '*' | *localhost,127.0.0.1,::1*) ;;
  *) no_proxy=${no_proxy:+$no_proxy,}localhost,127.0.0.1,::1 ;;
esac
NO_PROXY=$no_proxy
export no_proxy NO_PROXY
