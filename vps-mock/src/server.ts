import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '@voucher-gateway/platform/clock';
import {
  createHttpServer,
  type HttpLimits,
  listen,
  refuseInvalidText,
  sendProblem,
} from '@voucher-gateway/platform/http-server';
import type { Service } from '@voucher-gateway/platform/lifecycle';
import { type Log, silentLog } from '@voucher-gateway/platform/log';
import { createReadiness } from '@voucher-gateway/platform/readiness';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { postCallback } from './callback.ts';
import { createControl, maxWaiting, type Next, nextSchema } from './control.ts';
import { derive, s256 } from './derive.ts';
import { createOrders, type Order } from './orders.ts';
import { type Behaviour, behaviourOf, type Fault, type ProfileName } from './profiles.ts';
import { createWaits } from './waits.ts';

export interface VpsMockOptions {
  clock?: Clock;
  log?: Log;
  host?: string;
  /** Default: any free one. */
  port?: number;
  portSetting?: string;
  limits?: Partial<HttpLimits>;
  /** Default: `mixed`. */
  profile?: ProfileName;
  seed?: string;
  /** Instructions for the first responses, as by `POST /control/next`. */
  faults?: Next[];
  /** File that keeps the orders over a restart. Default: none, in memory only. */
  stateFile?: string;
  /** Maximum number of orders; more are refused while none of these has ended. Default: 100,000. */
  maxOrders?: number;
}

/** A request as received by the provider. */
export interface ReceivedRequest {
  /** The `Idempotency-Key`; null without one. */
  key: string | null;
  phoneNumber: string;
  callbackUrl: string;
  at: number;
}

export interface VpsMock extends Service {
  /** Adds an instruction for the next response, as `POST /control/next` does. */
  next(next: Next): void;
  /** The last 10,000 requests, in order. */
  readonly requests: readonly ReceivedRequest[];
  /** Resolves once it has received `count` requests in total. */
  whenAsked(count: number): Promise<void>;
}

/** Requests that are kept for `requests`. */
const maxRequests = 10_000;
/** Keys whose attempts are counted, because the behaviour of a profile depends on the attempt. */
const maxAttemptKeys = 100_000;
/** It responds with a challenge after this time. */
const acknowledgeAfterMs = 3_000;
/** A code later than this is late. */
const lateAfterMs = 30_000;
/** Default delay of the code for a fault of the late callback. */
const callbackFaultDelayMs = 4_000;
const callbackFaults: ReadonlySet<Fault | undefined> = new Set<Fault>([
  'duplicate-callback',
  'wrong-verifier',
  'callback-before-acknowledgement',
  'plain',
]);

const requestSchema = z.object({
  phoneNumber: z.string().min(4).max(32),
  callbackUrl: z.url({ protocol: /^https?$/ }).max(2_048),
});

/**
 * The simulated Voucher Provider Server.
 *
 * There is one order per key. A retry with the same key gets the code if it is ready, else the same challenge, even after a
 * restart. The code, verifier and delay of an order depend only on seed and key.
 */
export async function createVpsMock(options: VpsMockOptions = {}): Promise<VpsMock> {
  const {
    clock = systemClock,
    log = silentLog,
    host = '127.0.0.1',
    port = 0,
    portSetting = 'PORT',
    limits,
    profile = 'mixed',
    seed = 'voucher',
    faults = [],
    stateFile,
    maxOrders = 100_000,
  } = options;
  await using releases = new AsyncDisposableStack();
  const orders = createOrders({ seed, maxOrders, stateFile });
  const control = createControl();
  const stop = new AbortController();
  const requests: ReceivedRequest[] = [];
  let requestCount = 0;
  const watchers = new Set<{ count: number; resolve: () => void }>();
  const attempts = new Map<string, number>();
  const armed = new Set<string>();
  const next = (instruction: Next) => {
    if (!control.add(nextSchema.parse(instruction)))
      throw new Error('too many instructions for next responses are pending');
  };
  for (const fault of faults) next(fault);

  const readiness = createReadiness();
  const app = createHttpServer({ log, bodyLimitBytes: 65_536, readiness, limits });
  app.addHook('preValidation', refuseInvalidText);
  releases.defer(() => app.close());
  // Pending waits would delay closing the server.
  const waits = releases.use(createWaits(clock));
  releases.defer(() => stop.abort(new DOMException('The provider stops', 'AbortError')));

  app.post('/api/request/voucher', async (incoming, reply) => {
    const parsed = requestSchema.safeParse(incoming.body);
    if (!parsed.success) return badRequest(reply, parsed.error);
    const { phoneNumber, callbackUrl } = parsed.data;
    const header = incoming.headers['idempotency-key'];
    if (header !== undefined && !/^[!-~]{1,255}$/.test(String(header)))
      return sendProblem(reply, {
        status: 400,
        code: 'BAD_USER_INPUT',
        title: 'Idempotency-Key: it must be 1 to 255 visible ASCII characters',
      });
    const key = typeof header === 'string' ? header : randomUUID();
    note({ key: typeof header === 'string' ? key : null, phoneNumber, callbackUrl, at: clock.now() });

    const instruction = control.take(phoneNumber);
    const known = orders.get(key);
    const behaviour = known && !instruction ? known.behaviour : plan(key, instruction);
    switch (behaviour.fault) {
      case 'error':
        return sendProblem(reply, {
          status: 500,
          code: 'PROVIDER_ERROR',
          title: 'The provider has a problem of its own.',
        });
      case 'refuse':
        return sendProblem(reply, {
          status: 422,
          code: 'PROVIDER_REFUSED',
          title: 'No voucher is sold to this phone number.',
        });
      case 'malformed':
        return reply.code(200).type('application/json').send('{"status":"SUCCESS","voucher');
      case 'drop':
        incoming.raw.socket.destroy();
        return reply.hijack();
      case 'hang':
        return reply.hijack();
    }
    const order = known ?? orders.open({ key, phoneNumber, callbackUrl, requestedAt: clock.now(), behaviour });
    if (!order)
      return sendProblem(reply, {
        status: 503,
        code: 'SERVICE_UNAVAILABLE',
        title: `The provider has ${maxOrders} orders to deliver: retry later.`,
      });
    if (known)
      Object.assign(order, {
        callbackUrl,
        ...(instruction && {
          behaviour,
          requestedAt: clock.now(),
          acknowledged: false,
          delivered: false,
          givenUp: false,
        }),
      });
    return answer(order, reply);
  });
  app.post('/control/next', (incoming, reply) => {
    const parsed = nextSchema.safeParse(incoming.body ?? {});
    if (!parsed.success) return badRequest(reply, parsed.error);
    if (control.add(parsed.data)) return parsed.data;
    return sendProblem(reply, {
      status: 429,
      code: 'RATE_LIMITED',
      title: `${maxWaiting} instructions are pending: DELETE /control/next removes them.`,
    });
  });
  app.delete('/control/next', (_incoming, reply) => {
    control.clear();
    return reply.code(204).send();
  });
  app.get('/control/ledger', () => ({
    orders: orders.all().map((order) => ({
      key: order.key,
      voucherCode: order.derived.voucherCode,
      requestedAt: new Date(order.requestedAt).toISOString(),
      delivered: order.delivered,
    })),
  }));

  for (const order of orders.all()) if (!order.delivered) arm(order);
  const url = await listen(app, { host, port, setting: portSetting });
  const owned = releases.move();
  return {
    url,
    retire: readiness.retire,
    next,
    requests,
    whenAsked: (count) =>
      new Promise((resolve) => {
        watchers.add({ count, resolve });
        wake();
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };

  function plan(key: string, instruction: { delayMs?: number; fault?: Fault } | undefined): Behaviour {
    const attempt = attempts.get(key) ?? 0;
    // Moved to the end, so that the first key is the least recently used.
    attempts.delete(key);
    attempts.set(key, attempt + 1);
    if (attempts.size > maxAttemptKeys) attempts.delete(attempts.keys().next().value ?? '');
    const drawn = behaviourOf(profile, derive(seed, key).random(attempt));
    if (!instruction) return drawn;
    const delayMs =
      instruction.delayMs ??
      (callbackFaults.has(instruction.fault) ? callbackFaultDelayMs : drawn.fault ? 0 : drawn.delayMs);
    return { delayMs, fault: instruction.fault };
  }

  /** Responds with the code if it is ready before the acknowledgement, else with the challenge. */
  async function answer(order: Order, reply: FastifyReply) {
    const { behaviour, derived } = order;
    const madeInMs = order.requestedAt + behaviour.delayMs - clock.now();
    const isSilent = behaviour.fault === 'silence';
    if (!isSilent && madeInMs < acknowledgeAfterMs && !callbackFaults.has(behaviour.fault)) {
      await waits.wait(Math.max(madeInMs, 0));
      order.delivered = true;
      orders.save(order);
      return reply.send({
        status: 'SUCCESS',
        voucherCode: derived.voucherCode,
        message: 'Thank you for using our services, your voucher code is ready.',
      });
    }
    if (!isSilent) arm(order);
    if (!order.acknowledged) await waits.wait(acknowledgeAfterMs);
    order.acknowledged = true;
    orders.save(order);
    const isPlain = behaviour.fault === 'plain';
    return reply.send({
      codeChallenge: isPlain ? derived.codeVerifier : derived.codeChallenge,
      transformMethod: isPlain ? 'plain' : 'S256',
      message: 'Your request is being processed within 30 seconds',
    });
  }

  /** Schedules the callback with the late code. */
  function arm(order: Order): void {
    if (armed.has(order.key) || order.behaviour.fault === 'silence') return;
    armed.add(order.key);
    call(order)
      .catch((error: unknown) => {
        if (!stop.signal.aborted) log.warn({ error, key: order.key }, 'a callback failed');
      })
      .finally(() => armed.delete(order.key));
  }

  async function call(order: Order): Promise<void> {
    const { behaviour, derived } = order;
    const isEarly = behaviour.fault === 'callback-before-acknowledgement';
    if (!isEarly) await waits.wait(Math.max(order.requestedAt + behaviour.delayMs - clock.now(), 0));
    const isLate = clock.now() - order.requestedAt > lateAfterMs;
    const body = {
      codeVerifier: behaviour.fault === 'wrong-verifier' ? s256(derived.codeVerifier) : derived.codeVerifier,
      status: isLate ? 'LATE_SUCCESS' : 'SUCCESS',
      voucherCode: derived.voucherCode,
      message: isLate
        ? 'Thank you for your patience, your voucher code is ready.'
        : 'Thank you for using our services, your voucher code is ready.',
    };
    const times = behaviour.fault === 'duplicate-callback' ? 2 : 1;
    for (let time = 0; time < times; time += 1) {
      if (await postCallback(order.callbackUrl, body, { clock, log, signal: stop.signal })) order.delivered = true;
    }
    order.givenUp = !order.delivered;
    orders.save(order);
  }

  function note(received: ReceivedRequest): void {
    requests.push(received);
    if (requests.length > maxRequests) requests.shift();
    requestCount += 1;
    wake();
  }

  function wake(): void {
    for (const watcher of watchers) {
      if (requestCount < watcher.count) continue;
      watchers.delete(watcher);
      watcher.resolve();
    }
  }
}

function badRequest(reply: FastifyReply, error: z.ZodError) {
  const faults = error.issues.map((issue) => `${issue.path.join('.') || 'the body'}: ${issue.message}`);
  return sendProblem(reply, { status: 400, code: 'BAD_USER_INPUT', title: faults.join('; ') });
}
