# The server. Context: the top of the repository.
#   podman build -f deploy/pouco.Dockerfile -t pouco-server .

ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-trixie

# 1. Manifests alone: this stage runs at every change of any file, and ends with the same content as long as
#    no manifest changes, so the next stage stays cached.
FROM ${DEBIAN_IMAGE} AS manifests
COPY . /sources
RUN sh /sources/deploy/stub-workspace.sh /sources /skeleton

# 2. Dependencies.
FROM ${RUST_IMAGE} AS build
WORKDIR /build
# Cargo's profile. `tool` has no LTO and is built sooner: for where nothing is measured.
ARG PROFILE=release
COPY --from=manifests /skeleton ./
# Without `embedded`: that feature downloads a Postgres, and this stack has one.
RUN cargo build --profile "$PROFILE" --locked --no-default-features --package pouco

# 3. The server itself. Only what its build reads: an edit of a document does not come this far.
COPY exposition ./exposition
COPY src ./src
# cargo goes by file times, and a checkout may be older than the empty programs just built.
RUN find exposition src -exec touch {} + && \
    cargo build --profile "$PROFILE" --locked --no-default-features --package pouco && \
    objcopy --strip-debug "target/$PROFILE/pouco" /pouco

# 4. The image that runs.
FROM ${DEBIAN_IMAGE}
# The same number in every image of the stack: it owns the sockets, and Postgres recognises the peer by it. A
# new volume takes owner and mode over from the folder that it is first mounted on, in whichever container
# that is: so the folders of both kinds of sockets are the same in every image that mounts them (10002 is
# Postgres).
RUN groupadd --gid 10001 pouco && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin pouco && \
    install -d -o 10001 -g 10001 -m 0770 /run/pouco /run/redis-socket && \
    install -d -o 10002 -g 10001 -m 0750 /run/postgresql
COPY --from=build /pouco /usr/local/bin/pouco
USER 10001:10001
# Drains: stops accepting, answers what has begun, commits what is queued, exits 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["pouco"]
CMD ["serve"]
