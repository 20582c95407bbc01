import { it } from 'vitest';
import { consumingContract } from './topics-consuming.ts';
import { failuresContract } from './topics-failures.ts';
import { type OpenTopics, setUpTopics } from './topics-harness.ts';
import { publishingContract } from './topics-publishing.ts';
import { tailsContract } from './topics-tails.ts';

/** Tests for every adapter of the topics port. */
export function topicsContract(open: OpenTopics): void {
  publishingContract(open);
  consumingContract(open);
  failuresContract(open);
  tailsContract(open);

  it('answers a ping', async () => {
    await using ctx = await setUpTopics(open);
    const { topics } = ctx;
    await topics.ping();
  });
}
