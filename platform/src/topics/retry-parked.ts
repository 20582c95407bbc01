import { pause } from '../async/pause.ts';
import { codedCause } from '../errors.ts';
import type { Log } from '../process/log.ts';
import { createRepeatedLines } from '../process/repeated-lines.ts';
import { isMessageFault } from './message-fault.ts';
import { claimDue, type DueMessage, postpone, removeParked, retryAtOnce } from './parked-messages.ts';
import type { Parking } from './parking.ts';

export interface RetryParkedOptions {
  parking: Parking;
  /** Handles a message as the consumer does. */
  handle(raw: DueMessage['raw']): Promise<void>;
  /** Sends a message to the dead-letter topic, if the failure is the message's fault or has lasted too long. */
  bury(raw: DueMessage['raw'], error: unknown): Promise<void>;
  /** Time limit for the retries of a parked message, in milliseconds. */
  keepParkedMs: number;
  /** Aborts when the consumer stops. */
  signal: AbortSignal;
  log: Log;
}

const atOnce = 16;
/** Duration of a claim. If this process crashes, the claimed messages are due again after this time. */
const leaseMs = 60_000;
const lookEveryMs = 1_000;
const firstDelayMs = 1_000;
const longestDelayMs = 60_000;

/** Retries a group's parked messages until the signal aborts, in order within each key. */
export async function retryParked({
  parking,
  handle,
  bury,
  keepParkedMs,
  signal,
  log,
}: RetryParkedOptions): Promise<void> {
  const { topic, group } = parking;
  const { query } = parking.database;
  // Repeated lines are grouped, because after a faulty deployment thousands of messages fail, each once a minute.
  const lines = createRepeatedLines(log);

  /** Retries a message. Resolves with true if the message is now finished. The next message of its key is then due. */
  const retry = async ({ id, attempts, parkedForMs, raw }: DueMessage): Promise<boolean> => {
    const fields = { topic, group, partition: raw.partition, position: raw.position, parked: id };
    try {
      await handle(raw).catch(async (error: unknown) => {
        const keepMs = Math.min(keepParkedMs, codedCause(error)?.retryForMs ?? keepParkedMs);
        if (signal.aborted || (!isMessageFault(error) && parkedForMs < keepMs)) throw error;
        log.error({ error, ...fields }, 'a parked message goes to dead-letter');
        await bury(raw, error);
      });
      await removeParked(query, id);
      log.debug(fields, 'a parked message is handled');
      return true;
    } catch (error) {
      if (signal.aborted) await retryAtOnce(query, [id]);
      else {
        lines.warn('failed again', { error, attempts: attempts + 1, ...fields }, 'a parked message failed again');
        await postpone(query, id, { error, delayMs: Math.min(firstDelayMs * 2 ** attempts, longestDelayMs) });
      }
      return false;
    }
  };

  while (!signal.aborted) {
    let isMore = false;
    try {
      await parking.refresh();
      if (parking.isUsed && !signal.aborted) {
        const due = await claimDue(query, { topic, group, limit: atOnce, leaseMs });
        const finished = await Promise.all(due.map(retry));
        isMore = finished.includes(true);
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ error, topic, group }, 'parked messages could not be read or stored yet');
    }
    if (!isMore) await pause(lookEveryMs, signal);
  }
}
