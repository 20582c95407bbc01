import type { Positions } from '@voucher-gateway/platform/topics';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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
