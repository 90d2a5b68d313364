# The exporter of the containers' CPU and memory (`pouco-meters`, of the lab). Context: the top of the
# repository.
#   podman build -f deploy/meters.Dockerfile -t pouco-meters .

ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-trixie

# As in pouco.Dockerfile: dependencies stay cached until a manifest changes.
FROM ${DEBIAN_IMAGE} AS manifests
COPY . /sources
RUN sh /sources/deploy/stub-workspace.sh /sources /skeleton

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# It reads small files every few seconds: here the build's time is worth more than the program's.
ENV CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=none
COPY --from=manifests /skeleton ./
RUN cargo build --release --locked --no-default-features --package pouco-lab

COPY exposition ./exposition
COPY lab ./lab
RUN find exposition lab -name '*.rs' -exec touch {} + && \
    cargo build --release --locked --no-default-features --package pouco-lab

FROM ${DEBIAN_IMAGE}
RUN groupadd --gid 10004 meters && \
    useradd --uid 10004 --gid 10004 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin meters
COPY --from=build /build/target/release/pouco-meters /usr/local/bin/pouco-meters
# What it reads, everybody may read.
USER 10004:10004
STOPSIGNAL SIGTERM
ENTRYPOINT ["pouco-meters"]
