#!/bin/sh
# Run by the audit in its own folder `gateways/<name>`. VOUCHER_GATEWAY is the folder of this repository.
set -e
cd "$VOUCHER_GATEWAY"
npm ci
