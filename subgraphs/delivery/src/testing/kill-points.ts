import { subscribe } from 'node:diagnostics_channel';
import type { PgliteDatabase } from '@voucher-gateway/platform/database/embedded/pglite';

/**
 * The steps of a callback, in order: the SQL statements that store it, and the steps of undici's POST. The test
 * simulates that the process is killed after each of them.
 */
export const killPoints = [
  'insert request_target',
  'insert callback_secret',
  'insert delivery',
  'POST create',
  'POST bodySent',
  'POST headers',
  'POST trailers',
  'insert attempt',
  'update delivery',
  'commit',
] as const;

/**
 * Calls `reach` right after each point. Other statements are no points: those on other tables, and those that only
 * read.
 */
export function watchKillPoints({ client }: PgliteDatabase, reach: (point: string) => void): void {
  for (const step of ['create', 'bodySent', 'headers', 'trailers'])
    subscribe(`undici:request:${step}`, () => reach(`POST ${step}`));
  const { query, transaction } = client;
  client.query = (async (text: string, ...rest: []) => {
    const result = await query.call(client, text, ...rest);
    const point = pointOf(text);
    if (point) reach(point);
    return result;
  }) as typeof client.query;
  client.transaction = async (work) => {
    let isOurs = false;
    const result = await transaction.call(client, (tx) => {
      const run = tx.query.bind(tx);
      tx.query = (async (text: string, ...rest: []) => {
        const done = await run(text, ...rest);
        const point = pointOf(text);
        if (!point) return done;
        isOurs = true;
        reach(point);
        return done;
      }) as typeof tx.query;
      return work(tx);
    });
    if (isOurs) reach('commit');
    return result as never;
  };
}

function pointOf(text: string): string | null {
  const [, verb, table] = /^\s*(insert|update)(?: into)? "delivery"\."(\w+)"/i.exec(text) ?? [];
  return verb && table ? `${verb.toLowerCase()} ${table}` : null;
}
