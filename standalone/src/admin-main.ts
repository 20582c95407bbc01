import { systemClock } from '@voucher-gateway/platform/async/clock';
import { requireData } from '@voucher-gateway/platform/database/embedded/data-directory';
import { databaseSettings, keyValueSettings } from '@voucher-gateway/platform/engines/settings';
import {
  commonSettings,
  type Environment,
  readConfig,
  readEnvironment,
} from '@voucher-gateway/platform/process/config';
import { createLog } from '@voucher-gateway/platform/process/log';
import { openSecretBox, secretsSettings } from '@voucher-gateway/platform/secrets/settings';
import { topics as schemaTopics } from '@voucher-gateway/schema/topics';
import type { AdminCommand, AdminResult } from '@voucher-gateway/subgraph-user/admin';
import { z } from 'zod';
import { standaloneSettings } from './config.ts';
import { openEmbeddedSecrets } from './embedded-secrets.ts';
import { quickenImports } from './quick-imports.ts';
import { runCommand } from './run-command.ts';

// `npm run admin -- <command>`. If DATABASE_URL is set, the command uses the engines of the user service. The service
// may be running. Without DATABASE_URL the command uses the data folder of `npm start`, which must be stopped. Only the
// needed engines are imported.
using _quicker = quickenImports();
const { adminUsage, parseAdminCommand, runAdminCommand } = await import('@voucher-gateway/subgraph-user/admin');
const command = parseAdminCommand(process.argv.slice(2));
const environment: Environment = { LOG_LEVEL: 'error', ...readEnvironment() };
const sentWithinMs = 5_000;

const distributedSettings = z.object({
  LOG_LEVEL: commonSettings.LOG_LEVEL,
  ...databaseSettings,
  ...keyValueSettings,
});

async function runDistributed(command: AdminCommand): Promise<AdminResult> {
  const config = readConfig(distributedSettings, environment);
  const log = createLog({ level: config.LOG_LEVEL, service: 'admin' });
  const { openDatabase } = await import('@voucher-gateway/platform/engines/distributed');
  const { openKeyValue } = await import('@voucher-gateway/platform/engines/kafka-and-redis');
  const { createOutboxPublisher } = await import('@voucher-gateway/platform/topics/kafka/relay/outbox-publisher');
  await using database = await openDatabase(config, log);
  const topics = createOutboxPublisher(database);
  const result = await runAdminCommand(
    {
      database,
      topics,
      openKeyValue: () => openKeyValue(config, log),
      openSecrets: async () => openSecretBox(readConfig(z.object(secretsSettings), environment).SECRETS_KEY, log),
    },
    command,
  );
  if (!result.done || (await topics.waitUntilSent(schemaTopics.sessionEnded.name, sentWithinMs))) return result;
  const waits = 'The other services are not notified yet: user or Kafka is down. They will be once both are back.';
  return { ...result, message: `${result.message}\n${waits}` };
}

async function runEmbedded(command: AdminCommand): Promise<AdminResult> {
  const config = readConfig(standaloneSettings, environment);
  await requireData(config.DATA_DIR);
  const log = createLog({ level: config.LOG_LEVEL, service: 'admin' });
  const { openEmbeddedEngines } = await import('@voucher-gateway/platform/engines/embedded');
  await using engines = await openEmbeddedEngines({ dataDir: config.DATA_DIR, clock: systemClock, log });
  return await runAdminCommand(
    {
      ...engines,
      openKeyValue: async () => engines.keyValue,
      openSecrets: () => openEmbeddedSecrets(config, engines.database),
    },
    command,
  );
}

const stopFirst = 'npm start runs on this folder: stop it, run the command, and start it again.\n';
await runCommand(command, {
  usage: adminUsage,
  run: environment.DATABASE_URL ? runDistributed : runEmbedded,
  explain: ({ code }) => (code === 'DATA_DIR_LOCKED' ? stopFirst : ''),
});
