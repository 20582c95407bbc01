import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openTestSubscriptions, placesOf } from '../testing/subscriptions.ts';
import { moveTo } from '../testing/supergraphs/moves.ts';

describe('duplicate', () => {
  it('a message that is twice in the topic is sent once', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const feed = await subscribe('subscription { moved { node { place } } }');
    const once = moveTo('once');
    await publish(once, once, moveTo('next'));
    expect(placesOf(await feed.next(2))).toEqual(['once', 'next']);
  });

  it('a republished message is looked up in the store, and not sent again', async () => {
    await using ctx = await openTestSubscriptions({ recentCount: 1 });
    const { subscribe, publish, world, another, positionOf, republish } = ctx;
    const [a, b, c] = [moveTo('Hue'), moveTo('Vinh'), moveTo('Hanoi')];
    const live = await subscribe('subscription { moved { node { place } } }');
    await publish(a);
    await publish(b);
    world.stored = [a, b];
    world.storedThrough = await positionOf(b);
    await republish(a);
    // The store does not have the republished message `c`. So `c` is not a duplicate, and is sent.
    await republish(c);
    expect(placesOf(await live.next(3))).toEqual(['Hue', 'Vinh', 'Hanoi']);
    const resumed = await subscribe(`subscription { moved(after: "${encodeCursor(b.id)}") { node { place } } }`, {
      on: await another(),
    });
    expect(placesOf(await resumed.next())).toEqual(['Hanoi']);
  });

  it('a lost message is sent when republished, even if stored meanwhile', async () => {
    await using ctx = await openTestSubscriptions({ recentCount: 1 });
    const { subscribe, publish, world, republish } = ctx;
    const [a, lost] = [moveTo('Hue'), moveTo('Vinh')];
    const live = await subscribe('subscription { moved { node { place } } }');
    await publish(a);
    expect(placesOf(await live.next())).toEqual(['Hue']);
    world.stored = [a, lost];
    await republish(lost);
    expect(placesOf(await live.next())).toEqual(['Vinh']);
  });
});
