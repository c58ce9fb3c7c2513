# Three stages: `build` compiles with the dev dependencies, `modules` installs the runtime dependencies, and the image
# takes what the two leave behind. It contains no npm cache, compiler or TypeScript source of the service.
#
# The image listens on every interface, so Belfry needs API_KEYS (or AUTH=off, in a closed network). It also needs
# DB_URI: the managed MongoDB is for machines, not for containers.
#
# The digest names the image for all platforms. A rebuild of the same tag gets a new digest:
#   docker buildx imagetools inspect node:24.19.0-bookworm-slim

FROM node:24.19.0-bookworm-slim@sha256:3638d9a6fe4030bd716be989438248074489337ba3275657f93595428be4fc03 AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY mongod ./mongod
COPY src ./src
COPY web ./web
RUN npm run build

FROM node:24.19.0-bookworm-slim@sha256:3638d9a6fe4030bd716be989438248074489337ba3275657f93595428be4fc03 AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.19.0-bookworm-slim@sha256:3638d9a6fe4030bd716be989438248074489337ba3275657f93595428be4fc03 AS runtime
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY package.json package-lock.json ./
COPY --from=modules /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY web ./web
# The base image's `node` user, by number: Kubernetes' runAsNonRoot cannot judge a name.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
# Liveness, not readiness: a database outage must not restart the process.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Size of the young generation: Node 20's own. That of Node 24 may grow to several times as much under load.
CMD ["node", "--max-semi-space-size=16", "dist/main.js"]
