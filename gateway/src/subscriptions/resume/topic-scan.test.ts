import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openTestSubscriptions, placesOf } from '../../testing/subscriptions.ts';
import { moveTo } from '../../testing/supergraphs/moves.ts';

const resume = 'subscription ($c: String) { moved(after: $c) { node { place } } }';

describe('resume', () => {
  it('scans the topic if the store lags behind the recent messages', async () => {
    await using ctx = await openTestSubscriptions({ recentCount: 2 });
    const { subscribe, publish, another } = ctx;
    const places = ['a', 'b', 'c', 'd', 'e', 'f'];
    await publish(...places.map((place) => moveTo(place)));
    const feed = await subscribe('subscription ($c: String) { moved(after: $c) { node { place } } }', {
      variables: { c: encodeCursor(null) },
      on: await another(),
    });
    expect(placesOf(await feed.next(6))).toEqual(places);
    await publish(moveTo('g'));
    expect(placesOf(await feed.next())).toEqual(['g']);
  });

  it('finds a cursor that is not stored yet in recent messages, or refuses it', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b, c] = [moveTo('Hue'), moveTo('Vinh'), moveTo('Hanoi')];
    const live = await subscribe('subscription { moved { node { place } } }');
    await publish(a, b, c);
    await live.next(3);
    world.stored = [a];
    world.storedThrough = await positionOf(a);
    const resumed = await subscribe(resume, { variables: { c: encodeCursor(b.id) } });
    expect(placesOf(await resumed.next(1))).toEqual(['Hanoi']);
    await publish(moveTo('Da Nang'));
    expect(placesOf(await resumed.next(1))).toEqual(['Da Nang']);
    const foreign = await subscribe(resume, { variables: { c: encodeCursor('nobody knows') } });
    expect(foreign.errors).toMatchObject([{ extensions: { code: 'CURSOR_INVALID' } }]);
    const other = await subscribe(resume, { customer: 'bob', variables: { c: encodeCursor(b.id) } });
    expect(other.errors).toMatchObject([{ extensions: { code: 'CURSOR_INVALID' } }]);
  });

  it('finds a cursor that is not stored yet by a topic scan', async () => {
    await using ctx = await openTestSubscriptions({ recentCount: 1 });
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b, c, d] = [moveTo('Hue'), moveTo('Vinh'), moveTo('Hanoi'), moveTo('Da Nang')];
    await publish(a, b, c, d);
    world.stored = [a];
    world.storedThrough = await positionOf(a);
    const resumed = await subscribe(resume, { variables: { c: encodeCursor(b.id) } });
    expect(placesOf(await resumed.next(2))).toEqual(['Hanoi', 'Da Nang']);
    await publish(moveTo('Hoi An'));
    expect(placesOf(await resumed.next(1))).toEqual(['Hoi An']);
  });

  it.each([
    ['from recent messages', 10],
    ['from a topic scan', 1],
  ])('maps positions of a deleted topic to the beginning, %s', async (_, recentCount) => {
    await using ctx = await openTestSubscriptions({ recentCount });
    const { subscribe, publish, world, positionOf } = ctx;
    const [old, a, b, c, d] = [moveTo('Da Lat'), moveTo('Hue'), moveTo('Vinh'), moveTo('Hanoi'), moveTo('Da Nang')];
    await publish(a, b, c);
    world.stored = [old];
    world.storedThrough = (await positionOf(c)) + 1_000;
    const resumed = await subscribe(resume, { variables: { c: encodeCursor(null) } });
    expect(placesOf(await resumed.next(4))).toEqual(['Da Lat', 'Hue', 'Vinh', 'Hanoi']);
    await publish(d);
    expect(placesOf(await resumed.next(1))).toEqual(['Da Nang']);
  });

  it('scans the topic once for all clients that reconnect at the same time', async () => {
    await using ctx = await openTestSubscriptions({ recentCount: 1 });
    const { subscribe, publish, world, tails } = ctx;
    const customers = Array.from({ length: 50 }, (_, index) => `customer ${index}`);
    const moves = customers.flatMap((customer) => ['Hue', 'Vinh', 'Hanoi'].map((place) => moveTo(place, { customer })));
    await publish(...moves);
    // The store has each user's first message, but still reports the position 0.
    world.stored = moves.filter(({ place }) => place === 'Hue');
    const before = tails();
    const feeds = await Promise.all(
      customers.map((customer) => subscribe(resume, { customer, variables: { c: encodeCursor(null) } })),
    );
    for (const feed of feeds) expect(placesOf(await feed.next(3))).toEqual(['Hue', 'Vinh', 'Hanoi']);
    expect(tails() - before).toBeLessThan(10);
    await Promise.all(customers.map((customer) => publish(moveTo('Hoi An', { customer }))));
    for (const feed of feeds) expect(placesOf(await feed.next())).toEqual(['Hoi An']);
  });
});
