# The relay as a small image: production dependencies only, not root.
#   docker build -t outbox-relay .
#   docker run --rm -e DATABASE_URL=… -e KAFKA_BROKERS=… -e SCHEMA_REGISTRY_URL=… outbox-relay check

# 24 runs the TypeScript sources as they are. glibc rather than musl: it is what the tests run on.
FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No scripts: nothing is compiled. The Node that npm brings along for machines without one is not needed here.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node-* node_modules/.bin/node

FROM node:24-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY bin bin
COPY relay relay
COPY migrations migrations
COPY schemas schemas

# Reachable from outside the container, which alone decides what is published; by itself the relay listens on loopback.
ENV NODE_ENV=production OUTBOX_RELAY_HTTP_HOST=0.0.0.0
# Messages are buffers outside the JavaScript heap. glibc makes up to 8 arenas a core for them and seldom gives their
# memory back; two are enough for one busy thread and its helpers.
ENV MALLOC_ARENA_MAX=2

# See relay/config/node-flags.ts.
ENV NODE_OPTIONS=--max-semi-space-size=8

# Comes with the base image (uid 1000); nothing under /app is its own to write.
USER node
EXPOSE 9465

# Live unless the relay has stopped itself: an outage of a server is no reason to be restarted, see /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OUTBOX_RELAY_HTTP_PORT || 9465}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# `run` handles SIGTERM itself, so that it may be process 1; it starts no children that an init would have to reap.
# Draining ends within 8 s (shutdownMs), before the 10 s after which Docker kills.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/outbox-relay.js"]
CMD ["run"]
