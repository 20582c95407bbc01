import { describe, expect, it } from 'vitest';
import { connectReady } from '../testing/clients/raw-client.ts';
import { startTestGateway } from '../testing/gateway.ts';
import { createHold } from '../testing/hold.ts';

const count = 10;
const atOnce = 4;
const hello = { data: { hello: 'hello' } };
const large = `{ hello ${'#'.repeat(10_000)}\n }`;

/**
 * Starts a gateway whose session store does not respond for one user, so that the user's requests wait after they are
 * parsed.
 */
async function startHolding() {
  const hold = createHold();
  const arrived = Promise.withResolvers<void>();
  let stored = '';
  let held = 0;
  let holds = false;
  const gateway = await startTestGateway({
    keyValue: {
      async touch() {
        if (!holds) return stored;
        held += 1;
        if (held === atOnce) arrived.resolve();
        await hold.wait();
        return stored;
      },
    },
  });
  const { token, userId } = await gateway.signIn();
  stored = JSON.stringify({ userId, kid: gateway.issuer.kid });
  return {
    gateway,
    token,
    hold: () => {
      holds = true;
    },
    release: hold.release,
    /**
     * Waits until `atOnce` requests wait for the session store, and until another client was answered three times.
     * Resolves with the number of requests that wait for the store.
     */
    async countHeld() {
      await arrived.promise;
      for (let round = 0; round < 3; round += 1) expect(await gateway.post('{ hello }')).toMatchObject(hello);
      return held;
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

describe('large requests', () => {
  it('of one address wait over HTTP until earlier ones are executed', async () => {
    await using held = await startHolding();
    held.hold();
    const answers = Array.from({ length: count }, () => held.gateway.post(large, { token: held.token }));
    expect(await held.countHeld()).toBe(atOnce);
    held.release();
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject(hello);
  });

  it('of one address wait over WebSocket until earlier ones are executed', async () => {
    await using held = await startHolding();
    await using clients = new AsyncDisposableStack();
    const connect = async () => clients.use(await connectReady(held.gateway.socketUrl, held.token));
    const all = await Promise.all(Array.from({ length: count }, connect));
    held.hold();
    for (const client of all) client.subscribe('1', large);
    expect(await held.countHeld()).toBe(atOnce);
    held.release();
    for (const client of all) expect(await client.first('1')).toMatchObject({ type: 'next', payload: hello });
  });

  it('give up their place when their client leaves', async () => {
    await using held = await startHolding();
    await using clients = new AsyncDisposableStack();
    const connect = async () => clients.use(await connectReady(held.gateway.socketUrl, held.token));
    const [last, ...others] = await Promise.all(Array.from({ length: count }, connect));
    held.hold();
    for (const client of others) client.subscribe('1', large);
    await held.countHeld();
    last?.subscribe('1', large);
    for (const client of others) client.complete('1');
    held.release();
    expect(await last?.first('1')).toMatchObject({ type: 'next', payload: hello });
    for (const client of others) expect(client.of('1')).toEqual([]);
  });

  it('keep their place only until a subscription has started', async () => {
    await using gateway = await startTestGateway();
    await using clients = new AsyncDisposableStack();
    const { token } = await gateway.signIn();
    const client = clients.use(await connectReady(gateway.socketUrl, token));
    for (let index = 0; index <= atOnce; index += 1)
      client.subscribe(`${index}`, `subscription { moved { cursor } ${'#'.repeat(10_000)}\n }`);
    await gateway.untilSubscribed(atOnce + 1);
  });
});
