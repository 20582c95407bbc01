#!/bin/sh
# The audit runs this script in the folder `gateways/<name>` of the audit. VOUCHER_GATEWAY is the folder of this
# repository.
set -e
cd "$VOUCHER_GATEWAY"
npm ci
