import { randomUUID } from 'node:crypto';
import type { Clock } from '@voucher-gateway/platform/async/clock';
import { sendProblem } from '@voucher-gateway/platform/http/problem';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { createBehaviours } from './behaviours.ts';
import { type Control, maxWaiting, nextSchema } from './control.ts';
import type { Fulfilment } from './fulfilment.ts';
import type { Orders } from './orders.ts';
import type { Fault } from './profiles.ts';
import type { ReceivedRequests } from './received-requests.ts';

export interface RoutesOptions {
  orders: Orders;
  control: Control;
  received: ReceivedRequests;
  fulfilment: Fulfilment;
  chooseBehaviour: ReturnType<typeof createBehaviours>;
  clock: Clock;
  maxOrders: number;
}

const requestSchema = z.object({
  phoneNumber: z.string().min(4).max(32),
  callbackUrl: z.url({ protocol: /^https?$/ }).max(2_048),
});

/** Adds `POST /api/request/voucher`, the provider's API for clients. */
export function addRequestRoute(app: FastifyInstance, options: RoutesOptions): void {
  const { orders, control, received, fulfilment, chooseBehaviour, clock, maxOrders } = options;
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
    const sentKey = typeof header === 'string' ? header : null;
    const key = sentKey ?? randomUUID();
    const requestedAt = clock.now();
    received.add({ key: sentKey, phoneNumber, callbackUrl, at: requestedAt });

    const instruction = control.take(phoneNumber);
    const known = orders.get(key);
    const behaviour = known && !instruction ? known.behaviour : chooseBehaviour(key, instruction);
    if (failsAtOnce(behaviour.fault, reply)) return reply;
    const order = known ?? orders.open({ key, phoneNumber, callbackUrl, requestedAt, behaviour });
    if (!order)
      return sendProblem(reply, {
        status: 503,
        code: 'SERVICE_UNAVAILABLE',
        title: `The provider has ${maxOrders} orders to deliver: retry later.`,
      });
    if (known) order.callbackUrl = callbackUrl;
    if (known && instruction)
      Object.assign(order, { behaviour, requestedAt, acknowledged: false, delivered: false, givenUp: false });
    return reply.send(await fulfilment.respond(order));
  });
}

/**
 * Applies a fault that needs no order, and returns true. For any other fault it sends no response, and returns false.
 */
function failsAtOnce(fault: Fault | undefined, reply: FastifyReply): boolean {
  switch (fault) {
    case 'error':
      sendProblem(reply, { status: 500, code: 'PROVIDER_ERROR', title: 'The provider has a problem of its own.' });
      return true;
    case 'refuse':
      sendProblem(reply, {
        status: 422,
        code: 'PROVIDER_REFUSED',
        title: 'No voucher is sold to this phone number.',
      });
      return true;
    case 'malformed':
      reply.code(200).type('application/json').send('{"status":"SUCCESS","voucher');
      return true;
    case 'drop':
      reply.hijack().raw.destroy();
      return true;
    case 'hang':
      reply.hijack();
      return true;
    default:
      return false;
  }
}

/** Adds `/control`, with which tests and people instruct the provider, and read its orders. */
export function addControlRoutes(app: FastifyInstance, { control, orders }: RoutesOptions): void {
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
}

function badRequest(reply: FastifyReply, error: z.ZodError) {
  const faults = error.issues.map((issue) => `${issue.path.join('.') || 'the body'}: ${issue.message}`);
  return sendProblem(reply, { status: 400, code: 'BAD_USER_INPUT', title: faults.join('; ') });
}
