import { describe, expect, it } from 'vitest';
import { createGate } from './gate.ts';

describe('gate', () => {
  it('limits concurrent turns, and requesters take turns', async () => {
    const gate = createGate({ atOnce: 2 });
    const through: string[] = [];
    const enter = async (name: string) => {
      const turn = await gate.enter({ name: name[0] as string }, 10);
      through.push(name);
      return turn;
    };
    const [first, ...others] = ['a1', 'a2', 'a3', 'b1', 'b2'].map(enter);
    (await first)?.[Symbol.dispose]();
    // Disposing a permit twice releases it once.
    (await first)?.[Symbol.dispose]();
    expect(through).toEqual(['a1', 'a2']);
    await others[1];
    expect(through).toEqual(['a1', 'a2', 'a3']);
    for (const entered of others) (await entered)[Symbol.dispose]();
    expect(through).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
  });

  it('gives no turn to a requester that has left', async () => {
    const gate = createGate({ atOnce: 1 });
    const leaving = new AbortController();
    const turn = await gate.enter({ name: 'a' }, 10);
    const left = gate.enter({ name: 'a', signal: leaving.signal }, 10);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    turn[Symbol.dispose]();
    (await gate.enter({ name: 'b' }, 10))[Symbol.dispose]();
  });
});
