# The load balancer. Its configuration is not in the image: docker-compose.yml mounts nginx.conf.
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx && \
    rm -rf /var/lib/apt/lists/*
# Its own user, in the group that may open the replicas' sockets (mode 0660). The folder is the same as in the
# server's image: whichever container starts first, a new volume gets the same owner and mode.
RUN groupadd --gid 10001 pouco && \
    useradd --uid 10003 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin balancer && \
    install -d -o 10001 -g 10001 -m 0770 /run/pouco
COPY deploy/nginx-healthy.sh /usr/local/bin/healthy
USER 10003:10001
# Finishes the answers under way; SIGTERM would cut them.
STOPSIGNAL SIGQUIT
# Errors before the configuration is read go to the container's log as well, not to a file that nobody could
# open.
CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]
