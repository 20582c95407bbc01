import { systemClock } from '@voucher-gateway/platform/async/clock';
import { openKeyValue } from '@voucher-gateway/platform/engines/kafka-and-redis';
import { runService } from '@voucher-gateway/platform/process/service';
import type { TailOptions, Topics } from '@voucher-gateway/platform/topics';
import { supergraphSdl } from '@voucher-gateway/schema/sdl';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import { gatewayProcessSettings } from '../process-settings.ts';
import { createGateway } from '../server.ts';

// Runs the gateway in a separate process without a broker, for benchmarks against gateways whose events come from
// memory. The parent process sends arrays of values, which become messages of the topic `receive-code`. The messages
// are not stored and the subgraphs can't be reached, so subscriptions can't resume.

const nowhere = 'http://127.0.0.1:9/graphql';

await runService('gateway', gatewayProcessSettings([]), async (config, log, releases) =>
  createGateway({
    config,
    log,
    clock: systemClock,
    keyValue: releases.use(await openKeyValue({ REDIS_URL: String(config.REDIS_URL) }, log)),
    topics: createFedTopics(),
    supergraphSdl: supergraphSdl(),
    subgraphUrls: Object.fromEntries(['user', 'voucher', 'delivery'].map((name) => [name, nowhere])),
  }),
);

function createFedTopics(): Topics {
  const tails = new Set<TailOptions<unknown>>();
  const topic = schemaTopics.receiveCode;
  let position = 0;
  process.on('message', (values: unknown[]) => {
    for (const value of values) {
      position += 1;
      const key = topic.key(value as Parameters<typeof topic.key>[0]);
      const message = {
        topic: topic.name,
        key,
        value,
        headers: {},
        partition: 0,
        position,
        publishedAt: Date.now(),
        textLength: 300,
      };
      for (const {
        topic: { name },
        onMessage,
      } of tails)
        if (name === topic.name) onMessage(message);
    }
  });
  const unfit = async () => {
    throw new Error('topics that a parent process feeds are read by tails alone');
  };
  return {
    publish: unfit,
    publishAll: unfit,
    consume: unfit,
    async tail<Value>(options: TailOptions<Value>) {
      const tail = options as TailOptions<unknown>;
      tails.add(tail);
      return {
        startedAt: { 0: position },
        coversAfter: { 0: position },
        caughtUp: async () => ({ 0: position }),
        [Symbol.asyncDispose]: async () => void tails.delete(tail),
      };
    },
    failures: () => [],
    ping: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}
