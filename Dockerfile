# syntax=docker/dockerfile:1

# The server and nothing else: no shell, no package manager, not root.
#
#   docker build --tag crm-server .
#   docker run --rm --publish 8080:8080 crm-server demo --bind 0.0.0.0:8080
#
# compose.yaml runs it with PostgreSQL.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package crm-server --bin crm-server --features otlp,redis \
    && install -D target/release/crm-server /out/crm-server

# The C library and libgcc, of the same Debian that it was built on.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/crm-server /usr/local/bin/crm-server
USER 65532:65532
ENV CRM_BIND=0.0.0.0:8080 \
    CRM_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/crm-server", "health", "--live"]
ENTRYPOINT ["/usr/local/bin/crm-server"]
CMD ["serve"]
