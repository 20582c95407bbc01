import { createBatcher } from '@voucher-gateway/platform/async/batcher';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/process/log';
import { callbackUrlKey, callbackUrlSchema } from '@voucher-gateway/schema/callback-url';
import type { RequestCode } from '@voucher-gateway/schema/topics';
import { eq } from 'drizzle-orm';
import { requestTarget } from './tables.ts';

/** The callbackUrl of each request. */
export interface CallbackTargets {
  /** Stores a request's callbackUrl, or null if the request has none. A duplicate message changes nothing. */
  store(request: RequestCode): Promise<void>;
  /**
   * Finds the callbackUrl of a request in the key-value store, or else in the database; null if the client set none.
   * @throws CodedError REQUEST_NOT_SEEN_YET (retryable for `waitMs`) if the request is in neither store, because the
   *   request's message is not consumed yet
   */
  find(requestId: string): Promise<string | null>;
}

const warnFirstMs = 10_000;
const warnEveryMs = 30_000;
const maxRemembered = 10_000;

export function createCallbackTargets({
  database,
  keyValue,
  waitMs,
  clock,
  log,
}: {
  database: Database;
  keyValue: KeyValue;
  /**
   * If an outcome is consumed before its request, the outcome is parked (stored for retries). This is the limit of the
   * time, in milliseconds. Later outcomes of the same phone number wait for the parked outcome.
   */
  waitMs: number;
  clock: Clock;
  log: Log;
}): CallbackTargets {
  /** When the next warning about a missing request is due, by request id. */
  const waiting = new Map<string, number>();
  const store = createBatcher<RequestCode, void>({
    async run(requests) {
      const rows = requests.map(({ requestId, userId, callbackUrl }) => ({ requestId, userId, callbackUrl }));
      await database.query
        .insert(requestTarget)
        .select(
          rowsOf(
            requestTarget,
            rows.toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1)),
          ),
        )
        .onConflictDoNothing();
      return [];
    },
  });
  return {
    store,
    async find(requestId) {
      const found = (await readKeyValue(requestId)) ?? (await readRow(requestId));
      if (found) {
        waiting.delete(requestId);
        return found.callbackUrl;
      }
      warnPeriodically(requestId);
      throw new CodedError('REQUEST_NOT_SEEN_YET', 'The request of this outcome has not been consumed yet.', {
        retryable: true,
        retryForMs: waitMs,
      });
    },
  };

  async function readKeyValue(requestId: string): Promise<{ callbackUrl: string | null } | null> {
    try {
      const text = await keyValue.get(callbackUrlKey(requestId));
      const parsed = callbackUrlSchema.safeParse(text === null ? null : parseJson(text));
      return parsed.success ? parsed.data : null;
    } catch (error) {
      if (!isCodedError(error, 'KEY_VALUE_UNAVAILABLE')) throw error;
      log.debug({ requestId }, 'the key-value store is unavailable; the callbackUrl is read from the database');
      return null;
    }
  }

  async function readRow(requestId: string): Promise<{ callbackUrl: string | null } | undefined> {
    const [row] = await database.query
      .select({ callbackUrl: requestTarget.callbackUrl })
      .from(requestTarget)
      .where(eq(requestTarget.requestId, requestId));
    return row;
  }

  function warnPeriodically(requestId: string) {
    const now = clock.now();
    if (waiting.size >= maxRemembered) waiting.clear();
    const warnAt = waiting.get(requestId) ?? now + warnFirstMs;
    if (now >= warnAt) log.warn({ requestId }, 'an outcome waits for its request, which has not been consumed yet');
    waiting.set(requestId, now >= warnAt ? now + warnEveryMs : warnAt);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
