import { encodeCursor } from '@voucher-gateway/schema/cursor';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../../testing/gateway.ts';
import { move } from '../../testing/supergraphs/moves.ts';
import type { Move } from '../../testing/supergraphs/parcel-supergraph.ts';

describe('resume of more than a slice', () => {
  const count = 7;
  // The texts are so large that a slice has room for only one message.
  const note = 'x'.repeat(300_000);
  const largeMove = (index: number) => move(`m${index}`, { place: String(index), note } as Partial<Move>);
  const all = Array.from({ length: count }, (_, index) => String(index));

  const resume = (client: Client, after: string | null) => {
    const query = 'subscription ($c: String) { moved(after: $c) { node { place } } }';
    const answers = client.iterate<{ moved: { node: { place: string } } }>({
      query,
      variables: { c: encodeCursor(after) },
    });
    return async (wanted: number) => {
      const places: string[] = [];
      while (places.length < wanted) {
        const { value } = await answers.next();
        places.push(value?.data?.moved.node.place ?? JSON.stringify(value));
      }
      return places;
    };
  };
  const start = async (environment: Record<string, string>) => {
    const gateway = await startTestGateway({ environment });
    for (let index = 0; index < count; index += 1) await gateway.publish(largeMove(index));
    const { token } = await gateway.signIn('ann');
    const { token: other } = await gateway.signIn('bob');
    return { gateway, ann: gateway.connect(token).client, bob: gateway.connect(other).client };
  };

  it.each([
    ['the recent messages', {}],
    ['the topic', { TOPIC_WINDOW: '1' }],
    ['the topic beyond the memory limit', { TOPIC_WINDOW_BYTES: '1024' }],
    ['the topic, one message per scan', { TOPIC_WINDOW: '1', TOPIC_SCAN_BYTES: '1024' }],
  ])('sends each message once and in order, from %s', async (_where, environment) => {
    const { gateway, ann } = await start(environment);
    await using _gateway = gateway;
    const read = resume(ann, null);
    expect(await read(count)).toEqual(all);
    await gateway.publish(largeMove(count));
    expect(await read(1)).toEqual([String(count)]);
  });

  it.each([
    ['the recent messages', {}],
    ['the topic', { TOPIC_WINDOW: '1' }],
  ])('from %s, with a store whose rows are newer than its positions', async (_where, environment) => {
    const { gateway, ann } = await start(environment);
    await using _gateway = gateway;
    gateway.world.stored = [0, 1, 2, 3, 4].map(largeMove);
    // Catch-up remembers only the ids of the last two stored pages. With one event per page, catch-up must recognise
    // the earlier rows without their ids.
    gateway.world.pageSize = 1;
    const read = resume(ann, 'm0');
    expect(await read(count - 1)).toEqual(all.slice(1));
    await gateway.publish(largeMove(count));
    expect(await read(1)).toEqual([String(count)]);
  });

  it.each([
    ['the recent messages', {}],
    ['the topic', { TOPIC_WINDOW: '1' }],
  ])('from %s, after a cursor that the store has not consumed yet', async (_where, environment) => {
    const { gateway, ann, bob } = await start(environment);
    await using _gateway = gateway;
    const read = resume(ann, 'm4');
    expect(await read(2)).toEqual(['5', '6']);
    await expect(resume(bob, 'm4')(1)).rejects.toMatchObject([{ extensions: { code: 'CURSOR_INVALID' } }]);
  });
});
