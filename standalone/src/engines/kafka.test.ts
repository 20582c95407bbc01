import { expect, it } from 'vitest';
import { clusterId } from './kafka.ts';

// Regression: one in 64 cluster ids started with a dash, and Kafka's storage could not be formatted.
it('cluster id: never starts with a dash, which Kafka’s tool parses as an option', () => {
  const dash = Buffer.alloc(16, 0xfb);
  expect(dash.toString('base64url')).toMatch(/^-/);
  expect(clusterId(dash)).toMatch(/^[A-Za-z0-9_][\w-]{21}$/);
  expect(clusterId(Buffer.alloc(16, 1))).toBe(Buffer.alloc(16, 1).toString('base64url'));
});
