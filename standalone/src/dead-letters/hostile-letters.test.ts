import { openTestEngines } from '@voucher-gateway/platform/testing/engines';
import type { DeadLetter } from '@voucher-gateway/platform/topics/dead-letter-reader';
import { readParked } from '@voucher-gateway/platform/topics/parked-messages';
import { expect, it } from 'vitest';
import { runDeadLettersCommand } from './command.ts';

const topic = { topic: 'steps.dead-letter', key: 'k', value: '{}', partition: 0, publishedAt: 1_700_000_000_000 };
const from = {
  'dead-letter-topic': 'steps',
  'dead-letter-group': 'readers',
  'dead-letter-partition': '0',
  'dead-letter-position': '1',
};

async function setUp(letters: readonly Pick<DeadLetter, 'headers'>[]) {
  const engines = await openTestEngines();
  await engines.database.query.execute(
    `insert into platform.consumer_group (topic, consumer_group) values ('steps', 'readers')`,
  );
  return {
    parked: () => readParked(engines.database.query, { limit: 10 }),
    command: (command: Parameters<typeof runDeadLettersCommand>[1]) =>
      runDeadLettersCommand(
        {
          database: engines.database,
          readDeadLetters: async (onLetter) =>
            letters.forEach((letter, index) => {
              onLetter({ ...topic, ...letter, position: index + 1 });
            }),
        },
        command,
      ),
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

it.each([
  ['partition', '99999999999'],
  ['partition', '-99999999999'],
  ['position', '1e300'],
  ['position', 'x'],
  ['published-at', 'x'],
  ['published-at', '9223372036854775807'],
])('dead-letters: a foreign %s of %s affects no other', async (name, value) => {
  // Regression: the database refused a message with this header, which ended the command, so that later messages could
  // never be replayed.
  await using ctx = await setUp([{ headers: { ...from, [`dead-letter-${name}`]: value } }, { headers: from }]);
  expect(await ctx.command({ name: 'replay', ids: 'all' })).toEqual({
    done: false,
    message: expect.stringMatching(/:0:1 is not replayed: its headers .*\n.*:0:2 is replayed to readers$/),
  });
  expect(await ctx.parked()).toMatchObject([{ partition: 0, position: 1 }]);
});

it('dead-letters: truncates headers in the list', async () => {
  await using ctx = await setUp([{ headers: { ...from, 'dead-letter-message': 'x'.repeat(1_000_000) } }]);
  expect((await ctx.command({ name: 'list' })).message.length).toBeLessThan(2_000);
});

const terminal = '\u001b]0;gotcha\u0007\u202e\nparked:1 is tried again now';

it.each(['topic', 'group', 'message', 'error'])(
  'dead-letters: prints a foreign %s in one line, without terminal commands',
  async (name) => {
    await using ctx = await setUp([{ headers: { ...from, [`dead-letter-${name}`]: terminal } }]);
    const { message } = await ctx.command({ name: 'list' });
    expect(message.split('\n')).toHaveLength(1);
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  },
);

it.each(['topic', 'group'])(
  'dead-letters: replays a foreign %s in one line, without terminal commands',
  async (name) => {
    await using ctx = await setUp([{ headers: { ...from, [`dead-letter-${name}`]: terminal } }]);
    const { message } = await ctx.command({ name: 'replay', ids: 'all' });
    expect(message).toContain('is not replayed');
    expect(message.split('\n')).toHaveLength(1);
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  },
);

it('dead-letters: replays one behind 10,000 that can not be', async () => {
  // Regression: each command took the same first 10,000 messages, which can't be replayed, and never reached later
  // messages.
  const foreign = Array.from({ length: 10_000 }, () => ({ headers: { 'dead-letter-topic': 'x'.repeat(1_500) } }));
  await using ctx = await setUp([...foreign, { headers: from }]);
  const { message } = await ctx.command({ name: 'replay', ids: 'all' });
  expect(message).toContain(':0:10001 is replayed to readers');
  expect(message.length).toBeLessThan(1_000_000);
  expect(await ctx.parked()).toHaveLength(1);
});
