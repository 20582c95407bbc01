import { type Clock, systemClock } from '@voucher-gateway/platform/async/clock';
import { listen } from '@voucher-gateway/platform/http/listen';
import { createReadiness } from '@voucher-gateway/platform/http/readiness';
import { createHttpServer, type HttpLimits, refuseInvalidText } from '@voucher-gateway/platform/http/server';
import type { Service } from '@voucher-gateway/platform/process/lifecycle';
import { type Log, silentLog } from '@voucher-gateway/platform/process/log';
import { createBehaviours } from './behaviours.ts';
import { createControl, type Next, nextSchema } from './control.ts';
import { createFulfilment } from './fulfilment.ts';
import { createOrders } from './orders.ts';
import type { ProfileName } from './profiles.ts';
import { createReceivedRequests, type ReceivedRequest } from './received-requests.ts';
import { addControlRoutes, addRequestRoute, type RoutesOptions } from './routes.ts';

export interface VpsMockOptions {
  clock?: Clock;
  log?: Log;
  host?: string;
  /** The port to listen on. Default: any free port. */
  port?: number;
  portSetting?: string;
  limits?: Partial<HttpLimits>;
  /** The behaviour of the provider. Default: `mixed`. */
  profile?: ProfileName;
  seed?: string;
  /** Instructions for the first responses, as `POST /control/next` adds them. */
  faults?: Next[];
  /** File that keeps the orders over a restart. Default: none, in memory only. */
  stateFile?: string;
  /** Maximum number of orders. If none of them has ended, further orders are refused. Default: 100,000. */
  maxOrders?: number;
}

export interface VpsMock extends Service {
  /** Adds an instruction for the next response, as `POST /control/next` does. */
  next(next: Next): void;
  /** The last 10,000 requests, in order. */
  readonly requests: readonly ReceivedRequest[];
  /** Resolves once the provider has received `count` requests in total. */
  whenAsked(count: number): Promise<void>;
}

/**
 * The simulated Voucher Provider Server.
 *
 * There is one order (the purchase of a code) per idempotency key. A retry with the same key gets the code if the code
 * is ready, else the same challenge, even after a restart. The code, the delay, and the verifier (the secret from which
 * the challenge is made) of an order depend only on the seed and the key.
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
  const received = createReceivedRequests();
  const next = (instruction: Next) => {
    if (!control.add(nextSchema.parse(instruction)))
      throw new Error('too many instructions for next responses are pending');
  };
  for (const fault of faults) next(fault);

  const readiness = createReadiness();
  const app = createHttpServer({ log, bodyLimitBytes: 65_536, readiness, limits });
  app.addHook('preValidation', refuseInvalidText);
  releases.defer(() => app.close());
  // Closing the server waits for all responses. So the fulfilment is disposed before the server, and cancels the
  // pending responses.
  const fulfilment = releases.use(createFulfilment({ orders, clock, log }));
  const chooseBehaviour = createBehaviours(profile, seed);
  const routes: RoutesOptions = { orders, control, received, fulfilment, chooseBehaviour, clock, maxOrders };
  addRequestRoute(app, routes);
  addControlRoutes(app, routes);

  for (const order of orders.all()) if (!order.delivered) fulfilment.scheduleCallback(order);
  const url = await listen(app, { host, port, setting: portSetting });
  const owned = releases.move();
  return {
    url,
    retire: readiness.retire,
    next,
    requests: received.all,
    whenAsked: received.whenReceived,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
