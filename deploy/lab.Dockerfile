# The lab, for a machine without Rust. Context: the top of the repository.
#   podman build -f deploy/lab.Dockerfile -t pouco-lab .
# The scripts in stress-test/ copy /usr/local/lib/pouco-lab out of it and run it on the machine whose containers
# it watches, with the loader and the libraries that are there too.

ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-trixie

# As in pouco.Dockerfile: dependencies stay cached until a manifest changes.
FROM ${DEBIAN_IMAGE} AS manifests
COPY . /sources
RUN sh /sources/deploy/stub-workspace.sh /sources /skeleton

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# `tool` has no LTO: here the build's time is worth more than the program's.
COPY --from=manifests /skeleton ./
RUN cargo build --profile tool --locked --package pouco-lab --bin pouco-lab

COPY exposition ./exposition
COPY lab ./lab
RUN find exposition lab -name '*.rs' -exec touch {} + && \
    cargo build --profile tool --locked --package pouco-lab --bin pouco-lab && \
    mkdir /pouco-lab && cp target/tool/pouco-lab /pouco-lab/ && \
    ldd /pouco-lab/pouco-lab | awk '/=> \// { print $3 }' | xargs -I{} cp -L {} /pouco-lab/ && \
    cp -L "$(ldd /pouco-lab/pouco-lab | awk '/ld-linux/ { print $1 }')" /pouco-lab/loader

FROM ${DEBIAN_IMAGE}
COPY --from=build /pouco-lab /usr/local/lib/pouco-lab
ENTRYPOINT ["/usr/local/lib/pouco-lab/pouco-lab"]
