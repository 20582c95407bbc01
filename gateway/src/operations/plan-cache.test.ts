import { describe, expect, it } from 'vitest';
import type { PlanRequest } from '../planning/plan-operation.ts';
import type { PlannedOperation, Planner } from '../planning/planner.ts';
import { type Requester, type Waiting, WaitQueue, type WaitQueueOptions } from '../scheduling/wait-queue.ts';
import { createPlanCache } from './plan-cache.ts';

interface Job extends Waiting {
  text: string;
  resolve(planned: PlannedOperation): void;
  reject(error: unknown): void;
}

/** A plan cache over a planner that plans only when the test says so. */
function openPlanCache(options: WaitQueueOptions = {}) {
  const queue = new WaitQueue<Job>(options);
  const planned: string[] = [];
  const planner: Planner = {
    plan({ text }, requester = { name: '' }) {
      const { promise, ...settle } = Promise.withResolvers<PlannedOperation>();
      queue.add(requester, { text, bytes: text.length, ...settle });
      return promise;
    },
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  const cache = createPlanCache(planner);
  return {
    planned,
    plan: (text: string, requester: string | Requester) => {
      const request: PlanRequest = { text, operationName: null, conditions: {} };
      return cache.plan(
        text,
        { request, selections: 1 },
        typeof requester === 'string' ? { name: requester } : requester,
      );
    },
    /** Answers the next job, by default with a plan. */
    next(answer: (job: Job) => void = ({ resolve }) => resolve({ plan: { kind: 'QueryPlan' }, bytes: 1 })) {
      const job = queue.shift();
      if (!job) return;
      planned.push(job.text);
      answer(job);
    },
    get waiting() {
      return queue.size;
    },
  };
}

describe('plan cache: a plan that several requesters wait for', () => {
  it('is planned in the turn of whoever is next, once', async () => {
    // Regression: everyone waited in the first one's turn, so a client could delay the plan of a popular operation.
    const ctx = openPlanCache();
    const others = ['f1', 'f2', 'popular'].map((text) => ctx.plan(text, 'a'));
    const plans = [others[2], ctx.plan('popular', 'b')];
    ctx.next();
    ctx.next();
    expect(ctx.planned).toEqual(['f1', 'popular']);
    const [first, second] = await Promise.all(plans);
    expect(first).toBe(second);
    expect(ctx.waiting).toBe(1);
    ctx.next();
    await Promise.all(others);
  });

  it('is not refused to one because another one fills the queue', async () => {
    const ctx = openPlanCache({ maxWaiting: 3 });
    const filling = Promise.allSettled(['f1', 'f2', 'popular'].map((text) => ctx.plan(text, 'a')));
    const own = ctx.plan('popular', 'b');
    const another = ctx.plan('f3', 'c');
    while (ctx.waiting > 0) ctx.next();
    expect(await own).toMatchObject({ kind: 'QueryPlan' });
    await another;
    expect((await filling).map(({ status }) => status)).toContain('rejected');
  });

  it('fails for all of them if it can not be planned', async () => {
    const ctx = openPlanCache();
    const plans = [ctx.plan('wrong', 'a'), ctx.plan('wrong', 'b')];
    ctx.next(({ reject }) => reject(new Error('wrong')));
    expect(await Promise.allSettled(plans)).toMatchObject([
      { reason: { message: 'wrong' } },
      { reason: { message: 'wrong' } },
    ]);
    expect(ctx.waiting).toBe(0);
  });

  it('is given up once all of them have left', async () => {
    const ctx = openPlanCache();
    const leaving = ['a', 'b'].map((name) => ({ name, controller: new AbortController() }));
    const plans = leaving.map(({ name, controller }) => ctx.plan('popular', { name, signal: controller.signal }));
    const codes = Promise.all(plans.map((plan) => plan.catch(({ code }) => code)));
    for (const { controller } of leaving) controller.abort();
    expect(ctx.waiting).toBe(0);
    expect(await codes).toEqual(['SERVICE_UNAVAILABLE', 'SERVICE_UNAVAILABLE']);
    const again = ctx.plan('popular', 'a');
    ctx.next();
    expect(await again).toMatchObject({ kind: 'QueryPlan' });
  });

  it('is not made for a client that left before it asked', async () => {
    // Regression: nothing noticed that it had left, so the plan was made for nobody.
    const ctx = openPlanCache();
    const plan = ctx.plan('popular', { name: 'a', signal: AbortSignal.abort() });
    expect(ctx.waiting).toBe(0);
    await expect(plan).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });
});
