import { orUnavailable } from '../../errors.ts';
import { connectKafka, type KafkaOptions } from './client.ts';

/**
 * Restarts groups at the beginning of their topic: their commits are deleted. Does nothing if one of them has members.
 *
 * @returns the groups that have members
 * @throws CodedError TOPICS_UNAVAILABLE (retryable)
 */
export async function rereadTopics(options: KafkaOptions, names: readonly string[]): Promise<string[]> {
  await using client = await connectKafka(options);
  await client.ping();
  return await orUnavailable('TOPICS_UNAVAILABLE', async () => {
    const listed = new Set((await client.admin.listGroups()).groups.map(({ groupId }) => groupId));
    // A group that the broker does not know has no commits.
    const known = names.filter((name) => listed.has(client.nameOf(name)));
    if (known.length === 0) return [];
    const groupIds = known.map(client.nameOf);
    const { groups } = await client.admin.describeGroups(groupIds);
    const isEmpty = new Set(groups.filter(({ state }) => state === 'Empty').map(({ groupId }) => groupId));
    const inUse = known.filter((name) => !isEmpty.has(client.nameOf(name)));
    if (inUse.length === 0) await client.admin.deleteGroups(groupIds);
    return inUse;
  });
}
