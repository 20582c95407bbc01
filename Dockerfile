# One image for every service: the command names the service. The build has several stages. Containers run as the user
# `node`. The root file system may be mounted read-only.
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
# Bundles the playground and the page, and then removes the packages that only builds and tests need.
RUN node scripts/prepare.js && npm prune --omit=dev --ignore-scripts

FROM node:26.10.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
# Node strips types only of files outside node_modules. The workspaces in node_modules must therefore stay links to
# their folders, so the whole folder is copied.
COPY --from=build --chown=root:root /app /app
# The mount point of the volume with the simulated provider's state.
RUN mkdir /state && chown node:node /state
USER node
# The entry point is not `npm start`, because npm would not forward signals. The process of run.js becomes the process
# of the service.
ENTRYPOINT ["node", "scripts/run.js"]
CMD ["gateway/src/main.ts"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=12 \
  CMD ["node", "scripts/healthcheck.js"]
