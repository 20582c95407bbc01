import { describe } from 'vitest';
import { jobsContract } from '../testing/contract/jobs.ts';
import { openTestEnginesWithJobs } from '../testing/engines.ts';

describe('the jobs port on pg-boss in the embedded database', () => {
  jobsContract(() => openTestEnginesWithJobs());
});
