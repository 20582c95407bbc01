import { encodeCursor } from '@voucher-gateway/schema/cursor';
import { describe, expect, it } from 'vitest';
import { contextOf, openTestSubscriptions } from '../testing/subscriptions.ts';
import { move, moveTo } from '../testing/supergraphs/moves.ts';
import { parcelDataSource } from '../testing/supergraphs/parcel-supergraph.ts';
import { protectedSupergraph } from '../testing/supergraphs/protected-supergraph.ts';

const allowed = { claims: { scope: 'other track' } };
const open = (field: RegExp) => openTestSubscriptions({ supergraphSdl: protectedSupergraph(field) });

describe('subscription: authorisation', () => {
  // A topic message contains all fields, even those that the client may not see.
  it('makes a field of events null, and with it a parent that may not have null', async () => {
    await using ctx = await open(/customer: String!/g);
    const { next } = await ctx.subscribe('subscription { moved { node { parcel note: customer } } }');
    await ctx.publish(move('1'));
    const [result] = await next();
    expect(result).toMatchObject({
      data: null,
      errors: [{ path: ['moved', 'node', 'note'], extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }],
    });
    expect(JSON.stringify(result)).not.toContain('ann');
  });

  it('makes a nullable field null, and keeps the others', async () => {
    await using ctx = await open(/recipient: Person/g);
    const query = 'subscription { moved { node { place recipient { name } } } }';
    const without = await ctx.subscribe(query);
    const withScope = await ctx.subscribe(query, allowed);
    await ctx.publish(move('1'));
    expect(await without.next()).toMatchObject([
      {
        data: { moved: { node: { place: 'Hue', recipient: null } } },
        errors: [{ path: ['moved', 'node', 'recipient'] }],
      },
    ]);
    expect(await withScope.next()).toEqual([
      { data: { moved: { node: { place: 'Hue', recipient: { name: 'name of bob' } } } } },
    ]);
  });

  it('refuses a root field', async () => {
    await using ctx = await open(/moved\([^)]*\): MoveEdge!/);
    const query = 'subscription { moved { node { place } } }';
    expect((await ctx.subscribe(query)).errors).toMatchObject([{ extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }]);
    const { next } = await ctx.subscribe(query, allowed);
    await ctx.publish(moveTo('Hue'));
    expect(await next()).toEqual([{ data: { moved: { node: { place: 'Hue' } } } }]);
  });

  it('makes fields of stored events null, too', async () => {
    await using ctx = await open(/recipient: Person/g);
    ctx.world.stored.push(move('1'), move('2'));
    const { next } = await ctx.subscribe(
      'subscription ($after: String) { moved(after: $after) { node { id recipient { name } } } }',
      { variables: { after: encodeCursor(null) } },
    );
    expect(await next(2)).toMatchObject([
      { data: { moved: { node: { id: '1', recipient: null } } } },
      { data: { moved: { node: { id: '2', recipient: null } } } },
    ]);
  });

  // Regression: after the reload, the subscription was planned without the client's scopes.
  it('holds for a subscription that starts while the supergraph is reloaded', async () => {
    await using ctx = await open(/recipient: Person/g);
    const query = 'subscription { moved { node { place recipient { name } } } }';
    const context = contextOf('ann', allowed.claims);
    const operation = await ctx.operations.prepare({ query }, context);
    await ctx.federation.reload(`${protectedSupergraph(/recipient: Person/g)}\n`, {
      dataSource: parcelDataSource(ctx.world),
    });
    const results = Promise.withResolvers<string>();
    using subscription = await ctx.subscriptions.subscribe(operation, context);
    subscription.start({ next: results.resolve, end: results.reject, flushed: async () => {} });
    await ctx.publish(move('1'));
    expect(JSON.parse(await results.promise)).toEqual({
      data: { moved: { node: { place: 'Hue', recipient: { name: 'name of bob' } } } },
    });
  });

  // Regression: after the reload, all clients lost the field without an error, also clients with the right to see the
  // field.
  it('ends a subscription to a field that a reload protects, to be started again', async () => {
    await using ctx = await openTestSubscriptions();
    const query = 'subscription { moved { node { place recipient { name } } } }';
    const before = await ctx.subscribe(query, allowed);
    const other = await ctx.subscribe('subscription { moved { node { place } } }', allowed);
    await ctx.federation.reload(protectedSupergraph(/recipient: Person/g), {
      prepare: ctx.subscriptions.prepareFor,
    });
    expect(await before.next()).toEqual([]);
    expect(before.ended).toMatchObject([{ extensions: { code: 'SUBSCRIPTION_SCHEMA_RELOAD' } }]);
    const after = await ctx.subscribe(query, allowed);
    await ctx.publish(move('1'));
    expect(await after.next()).toEqual([
      { data: { moved: { node: { place: 'Hue', recipient: { name: 'name of bob' } } } } },
    ]);
    expect(await other.next()).toEqual([{ data: { moved: { node: { place: 'Hue' } } } }]);
  });
});
