# Three stages: `build` compiles with the dev dependencies, `modules` holds the runtime ones alone, and the
# image is made of what the two leave behind. No npm cache, compiler or source is in it.
#
# The image listens on every interface, so Belfry wants API_KEYS (or AUTH=off, for a closed network), and it
# wants DB_URI: a managed MongoDB is for machines, not for containers.

FROM node:24.11-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY web ./web
RUN npm run build

FROM node:24.11-slim AS modules
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.11-slim AS runtime
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
# Alive, not ready: a database that is away must not get the process restarted.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/livez').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The size of the young generation: at Node's own 16 MB an idle process keeps 20 MB of its start for ever.
CMD ["node", "--max-semi-space-size=8", "dist/main.js"]
