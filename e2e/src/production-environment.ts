/** Production, apart from what tests need: receivers of callbacks on this machine, introspection, quick stops. */
export const productionEnvironment = {
  NODE_ENV: 'production',
  CALLBACK_ALLOW_LOOPBACK: 'true',
  INTROSPECTION: 'true',
  SHUTDOWN_DELAY: '0s',
  // A suite's customers all come from one address.
  RATE_LIMITS: 'off',
};
