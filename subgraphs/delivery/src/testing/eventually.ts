import { expect } from 'vitest';

/** `expect` of what is stored in the background: asked until it holds, or for 10 s on a busy machine. */
export const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 10_000, interval: 20 });
