import { requireSaslCredentials, topicsSettings } from '@voucher-gateway/platform/engines/settings';
import { commonSettings, readConfig, readEnvironment } from '@voucher-gateway/platform/process/config';
import { createLog } from '@voucher-gateway/platform/process/log';
import { z } from 'zod';
import { type CommandResult, runCommand } from './run-command.ts';

// `npm run topics -- reread <service>.<topic> ...` makes consumer groups read their topics again from the beginning.
// The services must be stopped. The command needs the KAFKA_* settings of the services.
const [name, ...groups] = process.argv.slice(2);
const isReread = name === 'reread' && groups.length > 0 && groups.every((group) => /^[\w-]+\.[\w.-]+$/.test(group));

async function reread(groups: readonly string[]): Promise<CommandResult> {
  const settings = z
    .object({ LOG_LEVEL: commonSettings.LOG_LEVEL, ...topicsSettings })
    .refine(...requireSaslCredentials);
  const config = readConfig(settings, { LOG_LEVEL: 'error', ...readEnvironment() });
  const { openReread } = await import('@voucher-gateway/platform/engines/kafka-and-redis');
  const log = createLog({ level: config.LOG_LEVEL, service: 'topics' });
  const { inUse, unknown } = await openReread(config, log)(groups);
  if (inUse.length > 0)
    return { done: false, message: `Nothing was changed. Stop the services first that are in ${inUse.join(', ')}.` };
  const lines = [`${groups.join(', ')}: read from the beginning once their services start.`];
  if (unknown.length > 0)
    lines.push(
      `No positions were stored for ${unknown.join(', ')}: check the name and KAFKA_PREFIX if you expected some.`,
    );
  return { done: true, message: lines.join('\n') };
}

await runCommand(isReread ? groups : null, {
  usage: 'npm run topics -- reread <service>.<topic> …    have groups read their topic from its beginning',
  run: reread,
});
