import { connectKafka, type KafkaOptions, unavailable } from './client.ts';

/**
 * Has groups begin at the beginning of their topic when their services start again: what they have committed is
 * deleted. Nothing is, where one of them has members.
 *
 * @returns those that have members
 * @throws CodedError TOPICS_UNAVAILABLE (retryable)
 */
export async function rereadTopics(options: KafkaOptions, names: readonly string[]): Promise<string[]> {
  await using client = await connectKafka(options);
  await client.ping();
  return await unavailable(async () => {
    const listed = new Set((await client.admin.listGroups()).groups.map(({ groupId }) => groupId));
    // A group that has never been committed nothing.
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
