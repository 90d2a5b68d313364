# Redis from Debian's packages, for the peers that use one: on a Unix socket, and bounded: what has not been
# asked for the longest makes room. It writes nothing to disk while it serves (a cache), and everything when
# it is stopped in order, as Redis with its usual settings does: otherwise a peer would forget taken nicknames
# with every restart.
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
# The same number and folder as in the images of all APIs: a new volume takes owner and mode from whichever
# comes first.
RUN groupadd --gid 10001 pouco && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pouco && \
    install -d -o 10001 -g 10001 -m 0770 /run/redis-socket /data && \
    apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server && \
    rm -rf /var/lib/apt/lists/*
USER 10001:10001
CMD ["redis-server", "--port", "0", "--unixsocket", "/run/redis-socket/redis.sock", "--unixsocketperm", "770", \
     "--save", "", "--appendonly", "no", "--shutdown-on-sigterm", "save", "--daemonize", "no", "--dir", "/data", \
     "--maxmemory", "192mb", "--maxmemory-policy", "allkeys-lru"]
