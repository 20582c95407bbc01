import { describe, expect, it } from 'vitest';
import { createHold } from '../testing/hold.ts';
import { openTestSubscriptions, placesOf, type TestSubscriptions } from '../testing/subscriptions.ts';
import { moveTo } from '../testing/supergraphs/moves.ts';
import type { Move } from '../testing/supergraphs/parcel-supergraph.ts';

/** Two subscriptions: `slow` waits for a second subgraph, which the test holds back; `quick` needs only the event. */
async function slowAndQuick({ subscribe, world }: TestSubscriptions) {
  const names = createHold();
  world.onName = names.wait;
  return {
    slow: await subscribe('subscription { moved { node { recipient { name } } } }'),
    quick: await subscribe('subscription { moved { node { place } } }'),
    answerNames: names.release,
  };
}

describe('subscription', () => {
  it('the slow fetches of one subscriber do not delay another', async () => {
    await using ctx = await openTestSubscriptions();
    const { slow, quick, answerNames } = await slowAndQuick(ctx);
    const waiting = slow.next();
    await ctx.publish(moveTo('Hue'));
    expect(placesOf(await quick.next())).toEqual(['Hue']);
    answerNames();
    expect(await waiting).toEqual([{ data: { moved: { node: { recipient: { name: 'name of ann' } } } } }]);
  });

  it('executes an event once for equal operations of a user', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world } = ctx;
    let fetches = 0;
    world.onName = async () => {
      fetches += 1;
    };
    const query = 'subscription ($a: String) { moved(after: $a) { node { recipient { name } } } }';
    const equal = [await subscribe(query), await subscribe(query), await subscribe(query)];
    const other = await subscribe('subscription { moved { node { place recipient { name } } } }');
    const bob = await subscribe(query, { customer: 'bob' });
    await publish(moveTo('Hue'));
    const [first, second, third] = await Promise.all(equal.map((stream) => stream.next()));
    expect(first).toEqual([{ data: { moved: { node: { recipient: { name: 'name of ann' } } } } }]);
    expect([second, third]).toEqual([first, first]);
    await other.next();
    expect(fetches).toBe(2);
    await publish(moveTo('Vinh', { customer: 'bob', recipient: { id: 'bob' } }));
    expect(await bob.next()).toEqual([{ data: { moved: { node: { recipient: { name: 'name of bob' } } } } }]);
    expect(fetches).toBe(3);
    // One of the equal subscriptions ends, and the others continue.
    await equal[0]?.stop();
    await publish(moveTo('Hanoi'));
    expect(await equal[1]?.next()).toEqual(first);
  });

  it('ends, resumable, when too many events wait for a subgraph', async () => {
    await using ctx = await openTestSubscriptions();
    const { slow, quick, answerNames } = await slowAndQuick(ctx);
    await ctx.publish(...Array.from({ length: 1_002 }, () => moveTo('Hue')));
    expect(await slow.next()).toEqual([]);
    expect(slow.ended).toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(await quick.next(1_002)).toHaveLength(1_002);
    answerNames();
  });

  it('ends when too many bytes wait for a subgraph', async () => {
    await using ctx = await openTestSubscriptions();
    const { slow, quick, answerNames } = await slowAndQuick(ctx);
    const large = (place: string) => moveTo(place, { note: 'x'.repeat(800_000) } as Partial<Move>);
    // The execution of `a` waits. The queue has room for `b` and `c`, but not for `d`.
    await ctx.publish(large('a'), large('b'), large('c'));
    expect(await quick.next(3)).toHaveLength(3);
    expect(slow.ended).toBe(undefined);
    await ctx.publish(large('d'));
    expect(await slow.next()).toEqual([]);
    expect(slow.ended).toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true } }]);
    expect(await quick.next()).toHaveLength(1);
    answerNames();
  });
});
