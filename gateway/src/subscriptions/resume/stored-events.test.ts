import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openTestSubscriptions, placesOf } from '../../testing/subscriptions.ts';
import { moveTo } from '../../testing/supergraphs/moves.ts';

const resume = 'subscription ($c: String) { moved(after: $c) { node { place } } }';

describe('resume', () => {
  it('sends stored, then recent, then live events, each once', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b, c, d, e] = [moveTo('a'), moveTo('b'), moveTo('c'), moveTo('d'), moveTo('e')];
    await publish(a, b, c, d);
    // The store already has the row of `c`, but reports positions only up to `b`.
    world.stored = [a, b, c];
    world.storedThrough = await positionOf(b);
    world.pageSize = 1;
    const feed = await subscribe(
      'subscription ($c: String) { moved(after: $c) { node { place recipient { name } } } }',
      {
        variables: { c: encodeCursor(a.id) },
      },
    );
    expect(placesOf(await feed.next(3))).toEqual(['b', 'c', 'd']);
    await publish(e);
    expect(placesOf(await feed.next())).toEqual(['e']);
  });

  it.each([
    ['a', ['b', 'c', 'd']],
    ['b', ['c', 'd']],
    ['c', ['d']],
  ])('sends no duplicates after %s if stored rows are newer than positions', async (after, missed) => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world } = ctx;
    const moves = ['a', 'b', 'c', 'd'].map((place) => moveTo(place));
    await publish(...moves);
    // A store that handles messages out of order reports the position before its oldest unfinished message. In this
    // test the position is 0, although the store already has messages after it.
    world.stored = moves.slice(0, 3);
    world.storedThrough = 0;
    world.pageSize = 1;
    const cursor = encodeCursor(moves.find(({ place }) => place === after)?.id ?? null);
    const feed = await subscribe(resume, { variables: { c: cursor } });
    expect(placesOf(await feed.next(missed.length))).toEqual(missed);
    await publish(moveTo('e'));
    expect(placesOf(await feed.next())).toEqual(['e']);
  });

  it('finds the cursor if store and client have read further than the gateway', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world } = ctx;
    const [a, b, c] = [moveTo('a'), moveTo('b'), moveTo('c')];
    // The message `a` arrives in the topic while the store responds.
    world.stored = [a];
    world.onPage = async () => {
      world.onPage = () => {};
      await publish(a);
    };
    const stored = await subscribe(resume, { variables: { c: encodeCursor(a.id) } });
    await publish(b);
    expect(placesOf(await stored.next())).toEqual(['b']);
    const d = moveTo('d');
    world.onPage = async () => {
      world.onPage = () => {};
      await publish(c, d);
    };
    const unstored = await subscribe(resume, { variables: { c: encodeCursor(c.id) } });
    expect(placesOf(await unstored.next())).toEqual(['d']);
  });

  it('works from the start of the feed, and with an empty store', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    await publish(moveTo('a'));
    const feed = await subscribe('subscription ($c: String) { moved(after: $c) { node { place } } }', {
      variables: { c: encodeCursor(null) },
    });
    expect(placesOf(await feed.next())).toEqual(['a']);
    await publish(moveTo('b'));
    expect(placesOf(await feed.next())).toEqual(['b']);
  });

  it('applies the arguments to stored events as well as to live ones', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b, c] = [moveTo('a', { parcel: 'p2' }), moveTo('b'), moveTo('c', { parcel: 'p2' })];
    await publish(a, b);
    world.stored = [a, b];
    world.storedThrough = await positionOf(b);
    const feed = await subscribe('subscription ($c: String) { moved(after: $c, parcel: "p2") { node { place } } }', {
      variables: { c: encodeCursor(null) },
    });
    expect(placesOf(await feed.next())).toEqual(['a']);
    await publish(c);
    expect(placesOf(await feed.next())).toEqual(['c']);
  });

  it('refuses an invalid cursor with the code of the subgraph', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe } = ctx;
    const { errors } = await subscribe('subscription { moved(after: "nonsense") { node { place } } }');
    expect(errors).toMatchObject([{ extensions: { code: 'CURSOR_INVALID' } }]);
  });
});
