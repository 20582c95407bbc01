import { readFile } from 'node:fs/promises';
import { Kafka, logLevel } from 'kafkajs';
import { runDeadLetters } from '../../admin-command.ts';
import type { Check } from '../clients/ledger.ts';
import type { SoakSystem } from './soak-system.ts';

/** Checks the state after all faults are healed: consumer groups, unhandled messages, and health. */
export async function checkFinalState(system: SoakSystem, logFile: string): Promise<Check[]> {
  return [
    check('services that are not live and ready', system.processes.length, await findUnhealthy(system)),
    check('processes that ended by themselves', system.processes.length, await findCrashes(logFile)),
    await checkGroups(system),
    check('dead letters and parked messages', 1, await listUnhandled(system)),
  ];
}

const check = (title: string, checked: number, broken: string[]): Check => ({ promise: '-', title, checked, broken });

export async function findUnhealthy({ processes }: SoakSystem): Promise<string[]> {
  const results = processes.map(async ({ name, url }) => {
    const answers = ['live', 'ready'].map(async (what) => {
      const answer = await fetch(`${url}/health/${what}`, { signal: AbortSignal.timeout(5_000) })
        .then(async (response) => ({ isOk: response.ok, text: await response.text() }))
        .catch((error: unknown) => ({ isOk: false, text: String(error) }));
      return answer.isOk ? [] : [`${name} ${what}: ${answer.text}`];
    });
    return (await Promise.all(answers)).flat();
  });
  return (await Promise.all(results)).flat();
}

/** Finds the lines of the log that report an unexpected exit of a process. */
async function findCrashes(logFile: string): Promise<string[]> {
  return (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.includes(' ended by itself: '));
}

async function listUnhandled({ environment }: SoakSystem): Promise<string[]> {
  const { code, stdout, stderr } = await runDeadLetters(environment, ['list']);
  if (code !== 0) return [stderr];
  return stdout.startsWith('Nothing is parked') ? [] : stdout.split('\n');
}

/** Checks that each process is one member of each group of its service. */
async function checkGroups(system: SoakSystem): Promise<Check> {
  const groups = await readGroups(system);
  return check(
    'consumer groups whose number of members differs from that of processes',
    groups.length,
    groups.filter(isWrong).map(describe),
  );
}

/** Whether each consumer group has one member per process of its service. */
export async function areGroupsWhole(system: SoakSystem): Promise<boolean> {
  return !(await readGroups(system)).some(isWrong);
}

interface Group {
  groupId: string;
  members: number;
  expected: number;
}

const isWrong = ({ members, expected }: Group) => members !== expected;
const describe = ({ groupId, members, expected }: Group) => `${groupId} has ${members} of ${expected}`;

/**
 * Reads the consumer groups that the processes of a service share. Groups with `.tail.` in their name are skipped,
 * because each gateway process has its own.
 */
async function readGroups({ engines, processes }: SoakSystem): Promise<Group[]> {
  const admin = new Kafka({ brokers: [engines.kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const ids = (await admin.listGroups()).groups.map(({ groupId }) => groupId);
    const { groups } = await admin.describeGroups(ids.filter((id) => !id.includes('.tail.')));
    return groups.map(({ groupId, members }) => ({
      groupId,
      members: members.length,
      expected: processes.filter(({ service }) => groupId.startsWith(`${service}.`)).length,
    }));
  } finally {
    await admin.disconnect();
  }
}
