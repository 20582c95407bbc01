import { systemClock } from '@voucher-gateway/platform/async/clock';
import { requireData } from '@voucher-gateway/platform/database/embedded/data-directory';
import { databaseSettings, requireSaslCredentials, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import {
  commonSettings,
  type Environment,
  readConfig,
  readEnvironment,
} from '@voucher-gateway/platform/process/config';
import { createLog } from '@voucher-gateway/platform/process/log';
import { z } from 'zod';
import { standaloneSettings } from './config.ts';
import { sendCommand } from './dead-letters/control.ts';
import { type DeadLettersCommand, deadLettersUsage, parseDeadLettersCommand } from './dead-letters/parse-command.ts';
import { quickenImports } from './quick-imports.ts';
import { type CommandResult, runCommand } from './run-command.ts';

// `npm run dead-letters -- <command>`. If DATABASE_URL is set, this process connects to the database and topics of a
// service, which may be running. Otherwise the command is for the data folder of `npm start`. If `npm start` is
// running, this process sends the command to `npm start`, and needs no engines. So this file imports engines only when
// it needs them.
const words = process.argv.slice(2);
const command = parseDeadLettersCommand(words);
const environment: Environment = { LOG_LEVEL: 'error', ...readEnvironment() };

const distributedSettings = z
  .object({ LOG_LEVEL: commonSettings.LOG_LEVEL, ...databaseSettings, ...topicsSettings })
  .refine(...requireSaslCredentials);

async function runDistributed(command: DeadLettersCommand): Promise<CommandResult> {
  const config = readConfig(distributedSettings, environment);
  const log = createLog({ level: config.LOG_LEVEL, service: 'dead-letters' });
  using _quicker = quickenImports();
  const { runDeadLettersCommand } = await import('./dead-letters/command.ts');
  const { openDatabase } = await import('@voucher-gateway/platform/engines/distributed');
  const { openDeadLetters } = await import('@voucher-gateway/platform/engines/kafka-and-redis');
  await using database = await openDatabase(config, log);
  return await runDeadLettersCommand({ database, readDeadLetters: openDeadLetters(config, log) }, command);
}

async function runEmbedded(command: DeadLettersCommand): Promise<CommandResult> {
  const config = readConfig(standaloneSettings, environment);
  await requireData(config.DATA_DIR);
  const log = createLog({ level: config.LOG_LEVEL, service: 'dead-letters' });
  const answer = await sendCommand(config.DATA_DIR, words);
  if (answer) return answer;
  using _quicker = quickenImports();
  const { runDeadLettersCommand } = await import('./dead-letters/command.ts');
  const { embeddedDeadLetters } = await import('@voucher-gateway/platform/topics/dead-letter-reader');
  const { openEmbeddedEngines } = await import('@voucher-gateway/platform/engines/embedded');
  await using engines = await openEmbeddedEngines({ dataDir: config.DATA_DIR, clock: systemClock, log });
  const { database } = engines;
  return await runDeadLettersCommand({ database, readDeadLetters: embeddedDeadLetters(database) }, command);
}

await runCommand(command, {
  usage: deadLettersUsage,
  run: environment.DATABASE_URL ? runDistributed : runEmbedded,
});
