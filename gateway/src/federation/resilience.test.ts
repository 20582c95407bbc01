import { BrokenCircuitError } from 'cockatiel';
import { describe, expect, it } from 'vitest';
import { createResilience } from './resilience.ts';

const { signal } = new AbortController();
const options = { signal, isFailure: (error: unknown) => error === 'no answer', mayRepeat: () => true };

/** Creates a function `call`. It throws `times` times, and then returns the number of calls so far. */
function failing(times: number, error: unknown = 'no answer') {
  let calls = 0;
  const call = async () => {
    calls += 1;
    if (calls <= times) throw error;
    return calls;
  };
  return { call, calls: () => calls };
}

describe('subgraph calls: retries', () => {
  it.each([
    ['are made up to their number', 2, 2, true, 3],
    ['are not made for what may not be repeated', 1, 2, false, 'no answer'],
    ['end with the last error', 3, 2, true, 'no answer'],
    ['are none by default', 1, 0, true, 'no answer'],
  ])('%s', async (_what, failures, retries, mayRepeat, expected) => {
    const resilience = createResilience({ retries, breakAfter: 10 });
    const { call } = failing(failures);
    const result = resilience.run(call, { ...options, mayRepeat: () => mayRepeat });
    expect(await result.catch((error: unknown) => error)).toBe(expected);
  });

  it('are not made after an answer that is an error', async () => {
    const { call, calls } = failing(1, 'an answer');
    const resilience = createResilience({ retries: 2, breakAfter: 10 });
    await expect(resilience.run(call, options)).rejects.toBe('an answer');
    expect(calls()).toBe(1);
  });
});

describe('subgraph calls: the circuit breaker', () => {
  it('opens after consecutive failures, and lets no call through', async () => {
    const resilience = createResilience({ retries: 0, breakAfter: 3 });
    const { call, calls } = failing(100);
    for (let index = 0; index < 3; index += 1) await expect(resilience.run(call, options)).rejects.toBe('no answer');
    await expect(resilience.run(call, options)).rejects.toBeInstanceOf(BrokenCircuitError);
    expect(calls()).toBe(3);
  });

  it('starts to count again after an answer', async () => {
    const resilience = createResilience({ retries: 0, breakAfter: 2 });
    for (let index = 0; index < 3; index += 1) {
      await expect(resilience.run(failing(1).call, options)).rejects.toBe('no answer');
      expect(await resilience.run(failing(0).call, options)).toBe(1);
    }
  });

  it('does not count errors that are answers', async () => {
    const resilience = createResilience({ retries: 0, breakAfter: 2 });
    const { call } = failing(5, 'an answer');
    for (let index = 0; index < 5; index += 1) await expect(resilience.run(call, options)).rejects.toBe('an answer');
    expect(await resilience.run(call, options)).toBe(6);
  });
});
