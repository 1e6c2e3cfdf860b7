# The service alone: no Postgres inside, so DATABASE_URL, MASTER_KEYS (or MASTER_PASSPHRASE_FILE)
# and GATEWAY_SECRETS must be given. docs/operations.md, docker-compose.yml.
FROM rust:1-bookworm AS build
WORKDIR /build

# Dependencies and our own crates first, in a layer that lasts until one of them changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -rf src

COPY .sqlx .sqlx
COPY migrations migrations
COPY src src
# Newer than what was built from the empty files, or cargo would take those for current.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
# For DATABASE_URLs that verify against the system's roots; partners' endpoints are checked against
# Mozilla's, which are compiled in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin partner-api
COPY --from=build /build/target/release/partner-api /usr/local/bin/partner-api
USER 10001
WORKDIR /
# The listeners must be reachable from other containers; publish only 8080, and that to the gateway.
ENV LISTEN_ADDR=0.0.0.0:8080 \
    INTERNAL_LISTEN_ADDR=0.0.0.0:8081 \
    LOG_FORMAT=json
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["partner-api", "healthcheck"]
ENTRYPOINT ["partner-api"]
CMD ["serve"]
