# k6, for `pouco-lab run users --k6-in-container`. Context: this folder, of which nothing is used.
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim
FROM ${DEBIAN_IMAGE} AS build
RUN apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends golang-1.24-go ca-certificates && \
    rm -rf /var/lib/apt/lists/*
# Debian's compiler and no other, whatever a module would like better.
ENV PATH=/usr/lib/go-1.24/bin:/usr/local/bin:/usr/bin:/bin GOTOOLCHAIN=local CGO_ENABLED=0
# The version is in lab/src/drivers/k6/container.rs too.
RUN GOBIN=/out go install -trimpath -ldflags='-s -w' go.k6.io/k6@v1.3.0

FROM ${DEBIAN_IMAGE}
COPY --from=build /out/k6 /usr/local/bin/k6
ENTRYPOINT ["k6"]
