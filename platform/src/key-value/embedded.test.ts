import { describe, expect, it } from 'vitest';
import { createTestClock } from '../async/clock.ts';
import { keyValueContract } from '../testing/contract/key-value.ts';
import { openTestEngines } from '../testing/engines.ts';

async function open() {
  const clock = createTestClock();
  const engines = await openTestEngines({ clock });
  return {
    keyValue: engines.keyValue,
    age: async (_key: string, ms: number) => clock.advance(ms),
    database: engines.database,
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

describe('the key-value port on a table', () => {
  keyValueContract(open);

  it('fails at once with a retryable error when its database is closed', async () => {
    const { keyValue, ...opened } = await open();
    await opened[Symbol.asyncDispose]();
    await expect(keyValue.get('key')).rejects.toMatchObject({ code: 'KEY_VALUE_UNAVAILABLE', retryable: true });
  });
});
