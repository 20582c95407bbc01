import { describe, expect, it } from 'vitest';
import { createLargeRequests } from './large-requests.ts';

describe('large requests', () => {
  it('wait once their requester has reached its limit; others do not wait', async () => {
    const large = createLargeRequests({ atOnce: 2 });
    const entered: string[] = [];
    const enter = async (name: string) => {
      const place = await large.enter({ name: name[0] as string }, 10);
      entered.push(name);
      return place;
    };
    const [first, ...others] = ['a1', 'a2', 'a3', 'b1'].map(enter);
    await others[2];
    expect(entered).toEqual(['a1', 'a2', 'b1']);
    (await first)?.[Symbol.dispose]();
    await others[1];
    expect(entered).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('of a requester that has left give up their place', async () => {
    const large = createLargeRequests({ atOnce: 1 });
    const leaving = new AbortController();
    const place = await large.enter({ name: 'a' }, 10);
    const left = large.enter({ name: 'a', signal: leaving.signal }, 10);
    const next = large.enter({ name: 'a' }, 10);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    place[Symbol.dispose]();
    (await next)[Symbol.dispose]();
  });
});
