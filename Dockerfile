# A small image of the relay: production dependencies only, not root.
#   docker build -t outbox-relay .
#   docker run --rm -e DATABASE_URL=… -e KAFKA_BROKERS=… -e SCHEMA_REGISTRY_URL=… outbox-relay check

# glibc rather than musl, because the tests run on glibc.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No scripts: nothing is compiled.
RUN npm ci --omit=dev --ignore-scripts

# What the package runs, and the pages of the console. What builds them stays in this stage.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY build build
COPY relay relay
COPY console console
RUN node build/main.ts

FROM node:24-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY bin bin
COPY migrations migrations
COPY schemas schemas
COPY --from=build /app/dist dist
COPY --from=build /app/console/dist console/dist

# Listen on all addresses: Docker decides which ports are published. By default relay and console listen on loopback only.
ENV NODE_ENV=production OUTBOX_RELAY_HTTP_HOST=0.0.0.0 OUTBOX_RELAY_CONSOLE_HOST=0.0.0.0
# Messages are buffers outside the JavaScript heap. For these glibc creates up to 8 arenas per core and seldom returns
# their memory; two are enough for one busy thread and its helpers.
ENV MALLOC_ARENA_MAX=2

# See relay/config/node-flags.ts.
ENV NODE_OPTIONS=--max-semi-space-size=8

# A user of the base image (uid 1000). It owns nothing under /app and cannot write there.
USER node
EXPOSE 9465
# Of the console, a container of its own: docker run -p 127.0.0.1:9467:9467 --read-only … outbox-relay console
EXPOSE 9467

# The relay is live unless it has stopped itself. An outage of a server is no reason to restart it; see /readyz.
# A container runs the relay or the console: one of the two answers.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "const ask = (url) => fetch(url).then(({ ok }) => ok || Promise.reject()); Promise.any([ask(`http://127.0.0.1:${process.env.OUTBOX_RELAY_HTTP_PORT || 9465}/livez`), ask(`http://127.0.0.1:${process.env.OUTBOX_RELAY_CONSOLE_PORT || 9467}/livez`)]).then(() => process.exit(0), () => process.exit(1))"]

# `run` handles SIGTERM itself, so it can be process 1. It starts no children that an init would have to reap.
# Draining ends within 8 s (shutdownMs); Docker kills after 10 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/outbox-relay.js"]
CMD ["run"]
