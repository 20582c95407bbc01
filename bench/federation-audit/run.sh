#!/bin/sh
# The audit runs this script with the name of a group of tests, and serves the supergraph of this group over HTTP.
set -e
here=$(pwd)
node -e 'fetch(process.argv[1]).then((response) => response.text()).then((text) => process.stdout.write(text))' \
  "http://localhost:${AUDIT_PORT:-4200}/$1/supergraph" > supergraph.graphql
cd "$VOUCHER_GATEWAY"
export SUPERGRAPH="$here/supergraph.graphql" PORT=4000 HOST=127.0.0.1 NODE_ENV=development SHUTDOWN_DELAY=1ms DRAIN_WINDOW=1ms
exec node scripts/run.js gateway/src/main.ts
