# The whole test suite: the toolchain, a Postgres for the tests to start, the sources, all tests compiled.
# The network is used while this image is built; the run of the tests needs none.
#   podman build -f deploy/tests.Dockerfile -t pouco-tests .

ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-trixie

FROM ${DEBIAN_IMAGE} AS manifests
COPY . /sources
RUN sh /sources/deploy/stub-workspace.sh /sources /skeleton

FROM ${RUST_IMAGE}
# The tests start servers of their own from the binaries in /usr/lib/postgresql/17/bin. Debian's package would
# first make a cluster at its installation, which nobody needs here.
RUN mkdir -p /etc/postgresql-common && \
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf && \
    apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-17 faketime nginx-light && \
    rm -rf /var/lib/apt/lists/*
# Postgres refuses to run as root, and so do we. The tests need a home for what a user's caches hold.
RUN useradd --uid 10001 --create-home tester && \
    mkdir /build && chown tester /build && chmod -R a+rwX "${CARGO_HOME:-/usr/local/cargo}"
USER tester
WORKDIR /build
COPY --from=manifests --chown=tester /skeleton ./
RUN cargo test --workspace --locked --no-run
COPY --chown=tester . .
# cargo goes by file times, and a checkout may be older than the empty programs just built.
RUN find . -name target -prune -o -name '*.rs' -exec touch {} + && cargo test --workspace --locked --no-run
CMD ["cargo", "test", "--workspace", "--locked", "--offline"]
