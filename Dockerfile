# Two stages: the first installs what production needs, the second is what runs. Node runs the TypeScript
# as it is, so nothing is built. The `demo` stage has the development tools too and is never deployed.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-slim AS demo
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=optional --ignore-scripts
COPY src src
COPY test test
RUN mkdir data && chown 65532:65532 data
USER 65532:65532
CMD ["npm", "run", "demo"]

FROM node:26-slim AS production
ENV NODE_ENV=production \
    OPS_HOST=0.0.0.0 \
    OPS_PORT=9464 \
    JOURNAL_DIR=/data/journal
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json ./
COPY src src
# A named volume mounted here takes over this owner.
RUN mkdir -p /data/journal && chown 65532:65532 /data/journal && chmod 0700 /data/journal
USER 65532:65532
EXPOSE 8443 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OPS_PORT}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--import", "./src/require-node.js", "src/main-receiver.ts"]
