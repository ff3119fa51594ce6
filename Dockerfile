# The image of the relay: what `npm pack` packs, its locked production dependencies, and Node. No shell, no npm, not root.
#   npm run image
#   docker run --rm --read-only -e DATABASE_URL=… -e KAFKA_BROKERS=… -e SCHEMA_REGISTRY_URL=… outbox-relay check
# glibc rather than musl, because the tests run on glibc; no distribution beside it, because it would be most of the image
# and most of what a scanner finds.
ARG NODE=docker.io/library/node:24-bookworm-slim
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

# On the builder's own platform: npm fetches the binaries of another one, so nothing has to be emulated.
FROM --platform=$BUILDPLATFORM ${NODE} AS package
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# The package decides what is in the image.
RUN npm pack --pack-destination /tmp \
 && mkdir /app && tar -xzf /tmp/outbox-relay-*.tgz --strip-components=1 -C /app
# The lock file makes the image the same tomorrow. No scripts: nothing is compiled. The image has a Node of its own.
ARG TARGETARCH
RUN cp package-lock.json .npmrc /app/ && cd /app \
 && npm ci --omit=dev --ignore-scripts --os=linux --libc=glibc --cpu="$([ "${TARGETARCH:-amd64}" = amd64 ] && echo x64 || echo "$TARGETARCH")" \
 && rm -rf node_modules/node-* node_modules/.bin node_modules/@types package-lock.json .npmrc \
 && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -exec rm {} +

FROM ${NODE} AS node

FROM ${BASE}
COPY --from=node /usr/local/bin/node /usr/local/bin/node
# Before WORKDIR, which would make the folder for the user of the base.
COPY --from=package --chown=0:0 /app /app
WORKDIR /app

ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="outbox-relay" \
      org.opencontainers.image.description="Streams a Postgres outbox table to Kafka, Avro-encoded, exactly once." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# Listen on all addresses: Docker decides which ports are published. By default relay and console listen on loopback only.
ENV NODE_ENV=production OUTBOX_RELAY_HTTP_HOST=0.0.0.0 OUTBOX_RELAY_CONSOLE_HOST=0.0.0.0
# Messages are buffers outside the JavaScript heap. For these glibc creates up to 8 arenas per core and seldom returns
# their memory; two are enough for one busy thread and its helpers.
ENV MALLOC_ARENA_MAX=2

# See relay/config/node-flags.ts.
ENV NODE_OPTIONS=--max-semi-space-size=8

# A number, so that Kubernetes can see that it is not root. It owns nothing and writes nothing: run it with --read-only.
USER 65532:65532
EXPOSE 9465
# Of the audit and of the console, each a container of its own.
EXPOSE 9466 9467

# The relay is live unless it has stopped itself. An outage of a server is no reason to restart it; see /readyz.
# A container runs the relay, the audit or the console: one of the three answers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "const { env } = process; const ask = (port) => fetch(`http://127.0.0.1:${port}/livez`).then(({ ok }) => ok || Promise.reject()); Promise.any([env.OUTBOX_RELAY_HTTP_PORT || 9465, env.OUTBOX_RELAY_AUDIT_HTTP_PORT || 9466, env.OUTBOX_RELAY_CONSOLE_PORT || 9467].map(ask)).then(() => process.exit(0), () => process.exit(1))"]

# `run` handles SIGTERM itself, so it can be process 1. It starts no children that an init would have to reap.
# Draining ends within 8 s (shutdownMs); Docker kills after 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/outbox-relay.js"]
CMD ["run"]
