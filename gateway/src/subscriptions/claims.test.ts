import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { ExecutionResult } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { GatewayContext } from '../context.ts';
import { anonymous } from '../testing/operations/operations.ts';
import { contextOf, openTestSubscriptions, placesOf } from '../testing/subscriptions.ts';
import { moveTo } from '../testing/supergraphs/moves.ts';

describe('subscription', () => {
  it('never gets another user’s events, with any arguments', async () => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const ann = await subscribe('subscription { moved(parcel: "p1") { node { place } } }');
    const bob = await subscribe('subscription { a: moved(parcel: "p1") { node { place } } }', { customer: 'bob' });
    await publish(moveTo('for Ann'), moveTo('for Bob', { customer: 'bob' }), moveTo('again for Ann'));
    expect(placesOf(await ann.next(2))).toEqual(['for Ann', 'again for Ann']);
    expect(await bob.next()).toEqual([{ data: { a: { node: { place: 'for Bob' } } } }]);
  });

  it.each([
    ['an alias', 'subscription { theirs: moved { node { place } } }', {}],
    [
      'a fragment',
      'subscription { ...F } fragment F on Subscription { moved { node { ...G } } } fragment G on Move { place customer }',
      {},
    ],
    [
      'a variable',
      'subscription ($p: ID, $a: String) { moved(parcel: $p, after: $a) { node { place } } }',
      { p: 'bobs' },
    ],
    ['an argument', 'subscription { moved(parcel: "bobs") { node { place } } }', {}],
    [
      'another operation of the document',
      'subscription A { moved { node { place } } } subscription B { moved(parcel: "bobs") { node { place } } }',
      {},
    ],
  ] as const)('never gets another user’s events by %s', async (_how, query, variables) => {
    await using ctx = await openTestSubscriptions();
    const { subscribe, publish } = ctx;
    const operationName = query.includes('subscription A') ? 'B' : undefined;
    // Bob sends the same operation as Ann. The two subscriptions must not share a fan-out.
    const bob = await subscribe(query, { customer: 'bob', variables, operationName });
    const ann = await subscribe(query, { variables, operationName });
    await publish(moveTo('Secret', { customer: 'bob', parcel: 'bobs' }));
    await publish(moveTo('Hue', { parcel: 'bobs' }));
    const places = (answers: ExecutionResult[]) => JSON.stringify(answers).match(/"place":"\w+"/g);
    expect(places(await ann.next())).toEqual(['"place":"Hue"']);
    expect(places(await bob.next())).toEqual(['"place":"Secret"']);
  });

  it('is refused signed out, without the claim, or without a source', async () => {
    await using ctx = await openTestSubscriptions();
    const { operations, subscriptions } = ctx;
    const refusal = (query: string, context: GatewayContext) =>
      expect(operations.prepare({ query }, context).then((operation) => subscriptions.subscribe(operation, context)))
        .rejects;
    await refusal('subscription { moved { cursor } }', anonymous).toMatchObject({ code: 'UNAUTHENTICATED' });
    const claimless = { ...contextOf('ann'), identity: { ...contextOf('ann').identity, claims: {} } as Identity };
    await refusal('subscription { moved { cursor } }', claimless).toMatchObject({ code: 'FORBIDDEN' });
    await refusal('subscription { unfed }', contextOf('ann')).toMatchObject({ code: 'GRAPHQL_VALIDATION_FAILED' });
    await refusal('subscription ($p: ID!) { moved(parcel: $p) { cursor } }', contextOf('ann')).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
    expect(subscriptions.count).toBe(0);
  });
});
