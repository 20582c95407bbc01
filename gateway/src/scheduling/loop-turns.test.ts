import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createLoopTurns, type LoopTurnsOptions } from './loop-turns.ts';

function block(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs; );
}

describe('turns of the event loop', () => {
  /** Creates turns. `begun` has the names of the started operations, in order. */
  const setUp = (perTurn: number, options: LoopTurnsOptions = {}) => {
    const turns = createLoopTurns({ perTurn, ...options });
    const begun: string[] = [];
    const enter = (name: string, signal?: AbortSignal) =>
      turns
        .enter(10, () => ({ name: name[0] as string, ...(signal && { signal }) }))
        .then(
          () => void begun.push(name),
          ({ code }: { code: string }) => void begun.push(`${name} ${code}`),
        );
    return { begun, enter };
  };

  it('start a few operations each', async () => {
    const { begun, enter } = setUp(2);
    const counts: number[] = [];
    const count = async () => {
      while (begun.length < 5) {
        await nextTurn();
        counts.push(begun.length);
      }
    };
    await Promise.all([count(), ...['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => enter(name))]);
    expect(counts).toEqual([2, 4, 5]);
    expect(begun).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
  });

  it('start twice as many after a short turn, to a maximum, and few after a long one', async () => {
    const { begun, enter } = setUp(1, { maxPerTurn: 4 });
    const all = Promise.all(Array.from({ length: 40 }, (_, index) => enter(`a${index}`)));
    const counts: number[] = [];
    const longTurn = 3;
    for (let turn = 0; begun.length < 40; turn += 1) {
      await nextTurn();
      counts.push(begun.length);
      if (turn === longTurn) block(50);
    }
    await all;
    const steps = counts.map((count, index) => count - (counts[index - 1] ?? 0));
    // On a busy machine any turn may be long, so fewer operations start per turn.
    expect(Math.max(...steps)).toBeLessThanOrEqual(4);
    expect(steps[longTurn + 1]).toBe(1);
    // The first and the last step are not checked. The first step includes the operation that started without waiting.
    // The last step has only the remaining operations.
    const [, ...later] = steps.slice(0, -1);
    for (const [index, step] of later.entries())
      if (index > 0) expect([1, 2 * (later[index - 1] as number), 4]).toContain(step);
  });

  it('start a requester with one operation before the rest of one with many', async () => {
    const { begun, enter } = setUp(1);
    await Promise.all(['a1', 'a2', 'a3', 'b1'].map((name) => enter(name)));
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('refuse an operation whose client has left before its turn', async () => {
    const { begun, enter } = setUp(1);
    const leaving = new AbortController();
    const all = [enter('a1'), enter('a2', leaving.signal), enter('a3')];
    leaving.abort();
    await Promise.all(all);
    expect(begun.toSorted()).toEqual(['a1', 'a2 SERVICE_UNAVAILABLE', 'a3']);
  });

  it('start an operation at once if nothing waits', async () => {
    const { begun, enter } = setUp(1);
    await enter('a1');
    await nextTurn();
    await nextTurn();
    let isAsked = false;
    await createLoopTurns().enter(10, () => {
      isAsked = true;
      return { name: 'b' };
    });
    expect([begun, isAsked]).toEqual([['a1'], false]);
  });
});
