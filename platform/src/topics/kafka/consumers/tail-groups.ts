import { randomUUID } from 'node:crypto';
import { within } from '../../../async/deadline.ts';
import type { Log } from '../../../process/log.ts';
import type { KafkaClient } from '../connection/client.ts';

const deleteWithinMs = 1_000;

/** Returns the prefix of all groups of tails. No other group has it. */
export function tailGroupPrefix(client: KafkaClient, clientId: string): string {
  return client.nameOf(`${clientId}.tail.`);
}

/** Returns a unique name for the group of one consumer of a tail. */
export function newTailGroup(client: KafkaClient, clientId: string): string {
  return `${tailGroupPrefix(client, clientId)}${randomUUID()}`;
}

/** Deletes the group of a consumer that has left. Never rejects. */
export async function deleteTailGroup(client: KafkaClient, groupId: string, log: Log): Promise<void> {
  try {
    await within(deleteWithinMs, client.admin.deleteGroups([groupId]));
  } catch (error) {
    log.debug({ error, groupId }, 'the group of a tail could not be deleted; the next start deletes it');
  }
}

/** Deletes the groups of tails whose process was killed. */
export async function deleteDeadTails(client: KafkaClient, clientId: string, log: Log): Promise<void> {
  try {
    const { groups } = await client.admin.listGroups();
    const tails = groups
      .map(({ groupId }) => groupId)
      .filter((groupId) => groupId.startsWith(tailGroupPrefix(client, clientId)));
    if (tails.length === 0) return;
    const described = await client.admin.describeGroups(tails);
    const dead = described.groups
      .filter(({ state }) => state === 'Empty' || state === 'Dead')
      .map((group) => group.groupId);
    if (dead.length > 0) await client.admin.deleteGroups(dead);
  } catch (error) {
    // Another process that starts at the same time may have deleted these groups first.
    log.debug({ error }, 'groups of dead tails could not all be deleted');
  }
}
