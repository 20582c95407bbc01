import { createBatcher } from '@voucher-gateway/platform/batcher';
import type { Clock } from '@voucher-gateway/platform/clock';
import type { Database } from '@voucher-gateway/platform/database';
import { rowsOf } from '@voucher-gateway/platform/database/rows';
import { CodedError, isCodedError } from '@voucher-gateway/platform/errors';
import type { KeyValue } from '@voucher-gateway/platform/key-value';
import type { Log } from '@voucher-gateway/platform/log';
import { callbackUrlKey, callbackUrlSchema } from '@voucher-gateway/schema/callback-url';
import type { RequestCode } from '@voucher-gateway/schema/topics';
import { eq } from 'drizzle-orm';
import { requestTarget } from './tables.ts';

/** Whom an outcome goes to. */
export interface CallbackTargets {
  /** Keeps a request's callbackUrl, or that there is none. A repeat changes nothing. */
  keep(request: RequestCode): Promise<void>;
  /**
   * The callbackUrl of a request, null where the client gave none: asks the key-value store, else our own row.
   * @throws CodedError REQUEST_NOT_MET (retryable for `waitMs`) while neither knows the request: its message is still on the way
   */
  of(requestId: string): Promise<string | null>;
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
  /** How long an outcome that is parked waits for its request, which holds up later ones of its phone number. */
  waitMs: number;
  clock: Clock;
  log: Log;
}): CallbackTargets {
  /** When to warn next, by request that an outcome waits for. */
  const waiting = new Map<string, number>();
  const keep = createBatcher<RequestCode, void>({
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
    keep,
    async of(requestId) {
      const found = (await fromKeyValue(requestId)) ?? (await fromOwnRow(requestId));
      if (found) {
        waiting.delete(requestId);
        return found.callbackUrl;
      }
      warnNowAndThen(requestId);
      throw new CodedError('REQUEST_NOT_MET', 'The request of this outcome has not been met yet.', {
        retryable: true,
        retryForMs: waitMs,
      });
    },
  };

  async function fromKeyValue(requestId: string): Promise<{ callbackUrl: string | null } | null> {
    try {
      const text = await keyValue.get(callbackUrlKey(requestId));
      const parsed = callbackUrlSchema.safeParse(text === null ? null : parseJson(text));
      return parsed.success ? parsed.data : null;
    } catch (error) {
      if (!isCodedError(error, 'KEY_VALUE_UNAVAILABLE')) throw error;
      log.debug({ requestId }, 'the key-value store is away; the own row is asked');
      return null;
    }
  }

  async function fromOwnRow(requestId: string): Promise<{ callbackUrl: string | null } | undefined> {
    const [row] = await database.query
      .select({ callbackUrl: requestTarget.callbackUrl })
      .from(requestTarget)
      .where(eq(requestTarget.requestId, requestId));
    return row;
  }

  function warnNowAndThen(requestId: string) {
    const now = clock.now();
    if (waiting.size >= maxRemembered) waiting.clear();
    const warnAt = waiting.get(requestId) ?? now + warnFirstMs;
    if (now >= warnAt) log.warn({ requestId }, 'an outcome waits for its request, which has not been met yet');
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
