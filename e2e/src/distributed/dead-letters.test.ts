import { realEngines } from '@voucher-gateway/platform/testing/real-engines';
import pg from 'pg';
import { describe, inject } from 'vitest';
import { runDeadLetters } from '../admin-command.ts';
import { deadLetterSettings, deadLettersSuite, type OperatedSystem } from '../suites/dead-letters.ts';
import { startDistributed } from './system.ts';

async function start(): Promise<OperatedSystem> {
  const system = await startDistributed(deadLetterSettings);
  return {
    ...system,
    async killAndAlter(statement) {
      await system.kill('delivery', 'SIGKILL');
      const client = new pg.Client({ connectionString: system.databaseUrl });
      await client.connect();
      await client.query(statement).finally(() => client.end());
      await system.start('delivery');
    },
    async live() {
      const response = await fetch(`${system.urls.delivery}/health/live`);
      return { status: response.status, body: await response.text() };
    },
    command: (...words) =>
      runDeadLetters(
        { ...realEngines(), DATABASE_URL: system.databaseUrl, KAFKA_PREFIX: system.topicPrefix },
        words,
        inject('installation'),
      ),
  };
}

describe('on PostgreSQL, Redis and Kafka, one process per service', () => deadLettersSuite(start));
