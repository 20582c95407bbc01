/** Production settings, with exceptions for tests: local callback receivers, introspection, and a quick shutdown. */
export const productionEnvironment = {
  SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
  NODE_ENV: 'production',
  CALLBACK_ALLOW_LOOPBACK: 'true',
  INTROSPECTION: 'true',
  SHUTDOWN_DELAY: '0s',
  // Rate limits are off, because all customers of a suite have the same address.
  RATE_LIMITS: 'off',
  // Without SMS, the delivery of a late code by SMS is recorded as FAILED.
  SMS: 'off',
};
