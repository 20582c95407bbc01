import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openTestSubscriptions, placesOf } from '../../testing/subscriptions.ts';
import { moveTo } from '../../testing/supergraphs/moves.ts';

describe('resume', () => {
  it('a foreign message with an id of 890 kB does not stop it', async () => {
    // Regression: the message's id became a cursor that no subgraph accepts, so reading the page was retried endlessly.
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b] = [moveTo('Hue'), moveTo('Vinh')];
    await publish(a, moveTo('Hanoi', { id: 'x'.repeat(890_000) }), b);
    world.stored = [a];
    world.storedThrough = await positionOf(a);
    const resumed = await subscribe('subscription ($c: String) { moved(after: $c) { node { place } } }', {
      variables: { c: encodeCursor(a.id) },
    });
    expect(placesOf(await resumed.next(2))).toEqual(['Hanoi', 'Vinh']);
  });

  it('a foreign message whose field is no text matches no argument', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world, positionOf } = ctx;
    const [a, b] = [moveTo('Hue'), moveTo('Vinh')];
    await publish(a, moveTo('Hanoi', { parcel: { toString: 1 } as never }), b);
    world.stored = [a];
    world.storedThrough = await positionOf(a);
    const resumed = await subscribe(
      `subscription { moved(parcel: "p1", after: "${encodeCursor(a.id)}") { node { place } } }`,
    );
    expect(placesOf(await resumed.next())).toEqual(['Vinh']);
  });
});
