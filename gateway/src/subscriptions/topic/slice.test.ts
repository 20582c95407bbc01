import type { Positions } from '@voucher-gateway/platform/topics';
import { encodeCursor } from '@voucher-gateway/schema/cursor';
import fc from 'fast-check';
import type { Client } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { startTestGateway } from '../../testing/gateway.ts';
import type { Move } from '../../testing/parcel-supergraph.ts';
import { bytesOf, type TopicMessage } from './message.ts';
import { cutSlice } from './slice.ts';

const anyMessages = fc
  .array(fc.record({ partition: fc.nat(3), textLength: fc.nat(2_000) }), { maxLength: 50 })
  .map((parts) => {
    const positions: Record<number, number> = {};
    return parts.map(({ partition, textLength }): TopicMessage => {
      positions[partition] = (positions[partition] ?? 0) + 1;
      const position = positions[partition];
      return { topic: 't', key: '', value: {}, headers: {}, partition, position, publishedAt: position, textLength };
    });
  });

describe('slice', () => {
  it('consecutive slices have every message once and in order', () => {
    fc.assert(
      fc.property(anyMessages, fc.integer({ min: 1, max: 20_000 }), (messages, maxBytes) => {
        const end: Record<number, number> = {};
        for (const { partition, position } of messages) end[partition] = position;
        const seen: TopicMessage[] = [];
        let through: Positions = {};
        for (let isWhole = false; !isWhole; ) {
          const from = through;
          const left = messages.filter(({ partition, position }) => position > (from[partition] ?? 0));
          const slice = cutSlice({ messages: left, through: end, isWhole: true }, from, maxBytes);
          const bytes = slice.messages.reduce((sum, message) => sum + bytesOf(message), 0);
          expect(slice.messages.length <= 1 || bytes <= maxBytes).toBe(true);
          expect(slice.isWhole || slice.messages.length > 0).toBe(true);
          seen.push(...slice.messages);
          through = slice.through;
          isWhole = slice.isWhole;
        }
        for (const partition of [0, 1, 2, 3]) {
          const of = (all: TopicMessage[]) => all.filter((message) => message.partition === partition);
          expect(of(seen)).toEqual(of(messages));
        }
        expect(through).toEqual(end);
      }),
    );
  });
});

describe('resume: more than a slice of messages arrives once and in order', () => {
  const count = 7;
  // Two messages do not fit into a slice.
  const note = 'x'.repeat(300_000);
  const move = (index: number): Move =>
    ({ id: `m${index}`, parcel: 'p1', customer: 'ann', place: String(index), note }) as Move;
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
    for (let index = 0; index < count; index += 1) await gateway.publish(move(index));
    const { token } = await gateway.signIn('ann');
    const { token: other } = await gateway.signIn('bob');
    return { gateway, ann: gateway.connect(token).client, bob: gateway.connect(other).client };
  };

  it.each([
    ['the recent messages', {}],
    ['the topic', { TOPIC_WINDOW: '1' }],
    ['the topic, as the recent messages are too large for memory', { TOPIC_WINDOW_BYTES: '1024' }],
    ['the topic, one message per scan', { TOPIC_WINDOW: '1', TOPIC_SCAN_BYTES: '1024' }],
  ])('from %s', async (_where, environment) => {
    const { gateway, ann } = await start(environment);
    await using _gateway = gateway;
    const read = resume(ann, null);
    expect(await read(count)).toEqual(all);
    await gateway.publish(move(count));
    expect(await read(1)).toEqual([String(count)]);
  });

  it.each([
    ['the recent messages', {}],
    ['the topic', { TOPIC_WINDOW: '1' }],
  ])('from %s, with a store whose rows are newer than its positions', async (_where, environment) => {
    const { gateway, ann } = await start(environment);
    await using _gateway = gateway;
    gateway.world.stored = [0, 1, 2, 3, 4].map(move);
    // Only the ids of its last page are kept.
    gateway.world.pageSize = 1;
    const read = resume(ann, 'm0');
    expect(await read(count - 1)).toEqual(all.slice(1));
    await gateway.publish(move(count));
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
