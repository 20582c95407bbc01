import { openPglite } from '@voucher-gateway/platform/database/embedded/pglite';
import { describe } from 'vitest';
import { runDeadLetters } from '../admin-command.ts';
import { type StandaloneProcess, startStandalone } from '../standalone-process.ts';
import { deadLetterSettings, deadLettersSuite, type OperatedSystem } from '../suites/dead-letters.ts';
import { createPreparedSetup } from './system.ts';

async function start(): Promise<OperatedSystem> {
  await using releases = new AsyncDisposableStack();
  const setup = releases.use(await createPreparedSetup());
  const environment = { ...setup.environment, ...deadLetterSettings };
  let running: StandaloneProcess = await startStandalone(environment);
  releases.defer(() => running[Symbol.asyncDispose]());
  const owned = releases.move();
  const { gatewayUrl, vpsUrl, integrationUrl } = running;
  return {
    gatewayUrl,
    vpsUrl,
    integrationUrl,
    async killAndAlter(statement) {
      await running.stop('SIGKILL');
      {
        await using database = await openPglite({ dataDir: setup.dataDir });
        await database.client.exec(statement);
      }
      running = await startStandalone(environment);
    },
    async live() {
      const response = await fetch(`${integrationUrl}/health/live`);
      return { status: response.status, body: await response.text() };
    },
    command: (...words) => runDeadLetters(environment, words),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('on embedded engines, in one process', () => deadLettersSuite(start));
