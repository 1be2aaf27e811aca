# The image holds one static binary and nothing else.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/boxoffice ./cmd/boxoffice
# A volume that is mounted here takes this directory's owner.
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/boxoffice /boxoffice
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV BOXOFFICE_LISTEN=0.0.0.0:8080 \
    BOXOFFICE_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
# SIGTERM drains; the node is gone within 10 seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/boxoffice", "healthcheck"]
ENTRYPOINT ["/boxoffice"]
CMD ["serve"]
