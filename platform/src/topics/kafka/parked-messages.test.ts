import { expect, it } from 'vitest';
import { parkedMessage } from '../../database/tables.ts';
import { openRealDatabase } from '../../testing/real-engines.ts';
import { claimDue, parkMessage } from '../parked-messages.ts';

const ofGroup = { topic: 'steps', group: 'readers' };
const entry = (position: number) => ({
  ...ofGroup,
  key: `k${position}`,
  value: '{}',
  headers: {},
  partition: 0,
  position,
  publishedAt: 0,
  error: new Error('broken'),
});

it('parked messages: concurrent processes park each once, and claim each once', async () => {
  await using database = await openRealDatabase();
  const processes = [database, await database.another(), await database.another(), await database.another()];
  const positions = Array.from({ length: 50 }, (_, position) => position);
  await Promise.all(processes.flatMap(({ query }) => positions.map((position) => parkMessage(query, entry(position)))));
  expect(await database.query.select().from(parkedMessage)).toHaveLength(50);
  const taken: number[] = [];
  while (taken.length < 50) {
    const claims = processes.map(({ query }) => claimDue(query, { ...ofGroup, limit: 7, leaseMs: 60_000 }));
    const claimed = (await Promise.all(claims)).flat();
    expect(claimed.length).toBeGreaterThan(0);
    taken.push(...claimed.map(({ raw }) => raw.position));
  }
  expect(taken.toSorted((one, other) => one - other)).toEqual(positions);
});
