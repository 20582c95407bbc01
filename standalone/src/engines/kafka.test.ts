import { expect, it } from 'vitest';
import { clusterId } from './kafka.ts';

// Kafka's storage could not be formatted, once in 64 times: its id began with a dash.
it('makes no cluster id that Kafka’s tool would take for an option', () => {
  const dash = Buffer.alloc(16, 0xfb);
  expect(dash.toString('base64url')).toMatch(/^-/);
  expect(clusterId(dash)).toMatch(/^[A-Za-z0-9_][\w-]{21}$/);
  expect(clusterId(Buffer.alloc(16, 1))).toBe(Buffer.alloc(16, 1).toString('base64url'));
});
