import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createLoopTurns } from './loop-turns.ts';

describe('turns of the event loop', () => {
  /** The requesters that have started, in order. */
  const setUp = (perTurn: number) => {
    const turns = createLoopTurns({ perTurn });
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
