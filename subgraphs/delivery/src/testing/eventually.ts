import { expect } from 'vitest';

/** Polls a value that changes in the background until it matches, for up to 10 s. */
export const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 10_000, interval: 20 });
