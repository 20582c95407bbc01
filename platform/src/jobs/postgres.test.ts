import { describe } from 'vitest';
import { silentLog } from '../log.ts';
import { jobsContract } from '../testing/contract/jobs.ts';
import { openRealDatabase } from '../testing/real-engines.ts';
import { createJobs } from './pg-boss.ts';

describe('the jobs port on pg-boss in PostgreSQL', () => {
  jobsContract(async () => {
    await using releases = new AsyncDisposableStack();
    const database = releases.use(await openRealDatabase());
    const jobs = releases.use(await createJobs({ database: { url: database.url }, log: silentLog }));
    const owned = releases.move();
    return { database, jobs, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  });
});
