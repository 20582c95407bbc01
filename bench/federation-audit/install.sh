#!/bin/sh
# The audit runs this script in its folder `gateways/<name>`. VOUCHER_GATEWAY is the folder of this repository.
set -e
cd "$VOUCHER_GATEWAY"
npm ci
