# One image for every service: the command says which one. Built in stages, run as nobody in particular, with a
# root file system that may be read-only.
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY bench/package.json bench/
COPY e2e/package.json e2e/
COPY examples/package.json examples/
COPY gateway/package.json gateway/
COPY platform/package.json platform/
COPY schema/package.json schema/
COPY standalone/package.json standalone/
COPY subgraphs/delivery/package.json subgraphs/delivery/
COPY subgraphs/user/package.json subgraphs/user/
COPY subgraphs/voucher/package.json subgraphs/voucher/
COPY voucher-integration/package.json voucher-integration/
COPY vps-mock/package.json vps-mock/
COPY web/package.json web/
RUN npm ci --ignore-scripts
COPY . .
# Bundles the playground and the page, then drops what only builds and tests need.
RUN node scripts/prepare.js && npm prune --omit=dev --ignore-scripts

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
# The workspaces' links stay links: Node strips types of files outside node_modules only.
COPY --from=build --chown=root:root /app /app
# For the simulated provider's state, where a volume is put.
RUN mkdir /state && chown node:node /state
USER node
# Not npm, which does not forward signals: this process becomes the service.
ENTRYPOINT ["node", "scripts/run.js"]
CMD ["gateway/src/main.ts"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=12 \
  CMD ["node", "scripts/healthcheck.js"]
