import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { openTestSubscriptions } from '../testing/subscriptions.ts';
import { moveTo } from '../testing/supergraphs/moves.ts';

describe('subscription', () => {
  it('resolves an event from the message and other subgraphs', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const feed = await subscribe('subscription { moved { cursor node { place recipient { name } } } }');
    const first = moveTo('Hue');
    await publish(first);
    expect(await feed.next()).toEqual([
      {
        data: { moved: { cursor: encodeCursor(first.id), node: { place: 'Hue', recipient: { name: 'name of ann' } } } },
      },
    ]);
  });

  it('supports aliases, fragments, variables and directives', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const feed = await subscribe(
      `query Other { hello }
       subscription Named($parcel: ID, $withPlace: Boolean!, $withoutName: Boolean!) {
         event: moved(parcel: $parcel) { __typename at: cursor n: node { ...Parts who: recipient { name @skip(if: $withoutName) __typename } } }
       }
       fragment Parts on Move { kind: __typename place @include(if: $withPlace) number: id }`,
      { variables: { parcel: 'p7', withPlace: false, withoutName: false }, operationName: 'Named' },
    );
    const wanted = moveTo('Hue', { parcel: 'p7' });
    await publish(moveTo('Vinh', { parcel: 'p6' }), wanted);
    expect(await feed.next()).toEqual([
      {
        data: {
          event: {
            __typename: 'MoveEdge',
            at: encodeCursor(wanted.id),
            n: { kind: 'Move', number: wanted.id, who: { name: 'name of ann', __typename: 'Person' } },
          },
        },
      },
    ]);
  });

  it('a field that the message lacks is TOPIC_FIELD_MISSING', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, lose } = ctx;
    const moves = await subscribe('subscription { moved { node { place note } } }');
    await publish(moveTo('Hue'));
    expect(await moves.next()).toMatchObject([
      {
        data: { moved: { node: { place: 'Hue', note: null } } },
        errors: [{ path: ['moved', 'node', 'note'], extensions: { code: 'TOPIC_FIELD_MISSING' } }],
      },
    ]);
    const losses = await subscribe('subscription { gone: lost { parcel recipient { name } } }');
    await lose({ customer: 'ann', recipient: { id: 'ann' } });
    expect(await losses.next()).toMatchObject([
      { data: null, errors: [{ path: ['gone', 'parcel'], extensions: { code: 'TOPIC_FIELD_MISSING' } }] },
    ]);
  });

  it('a field without an edge returns the value, and has no `after`', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, lose } = ctx;
    const losses = await subscribe('subscription { lost(parcel: "p9") { parcel recipient { name } } }');
    await lose({ parcel: 'p8', customer: 'ann', recipient: null });
    await lose({ parcel: 'p9', customer: 'ann', recipient: null });
    expect(await losses.next()).toEqual([{ data: { lost: { parcel: 'p9', recipient: null } } }]);
  });

  it('sends an event with an error when another subgraph fails', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish, world } = ctx;
    world.onName = () => Promise.reject(new Error('down'));
    const feed = await subscribe('subscription { moved { node { place recipient { name } } } }');
    await publish(moveTo('Hue'));
    expect(await feed.next()).toMatchObject([
      { data: { moved: { node: { place: 'Hue', recipient: null } } }, errors: [{}] },
    ]);
  });

  it('sends nothing after it was disposed', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const feed = await subscribe('subscription { moved { node { place } } }');
    const waiting = feed.next();
    await feed.stop();
    expect(await waiting).toEqual([]);
    await publish(moveTo('Hue'));
    expect(await feed.next()).toEqual([]);
  });
});
