import { orUnavailable } from '../../errors.ts';
import { connectKafka, type KafkaOptions } from './connection/client.ts';

export interface Reread {
  /** The groups that have members. If this list is not empty, no group was changed. */
  inUse: string[];
  /**
   * The groups that the broker does not know. They are misspelt, or have no commits and will start at the beginning
   * anyway.
   */
  unknown: string[];
}

/**
 * Restarts groups at the beginning of their topics, by deleting their commits. Does nothing if one of the groups has
 * members.
 *
 * @throws CodedError TOPICS_UNAVAILABLE (retryable)
 */
export async function rereadTopics(options: KafkaOptions, names: readonly string[]): Promise<Reread> {
  await using client = await connectKafka(options);
  await client.ping();
  return await orUnavailable('TOPICS_UNAVAILABLE', async () => {
    const listed = new Set((await client.admin.listGroups()).groups.map(({ groupId }) => groupId));
    const known = names.filter((name) => listed.has(client.nameOf(name)));
    const unknown = names.filter((name) => !listed.has(client.nameOf(name)));
    if (known.length === 0) return { inUse: [], unknown };
    const groupIds = known.map(client.nameOf);
    const { groups } = await client.admin.describeGroups(groupIds);
    const isEmpty = new Set(groups.filter(({ state }) => state === 'Empty').map(({ groupId }) => groupId));
    const inUse = known.filter((name) => !isEmpty.has(client.nameOf(name)));
    if (inUse.length === 0) await client.admin.deleteGroups(groupIds);
    return { inUse, unknown };
  });
}
