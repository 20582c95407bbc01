import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { patchRequestQueue } from '@voucher-gateway/platform/topics/kafka/kafkajs-patches/quiet-request-queue';
import { Kafka, logLevel } from 'kafkajs';
import { assertEngineStopped, EngineMissing, type EngineProcess, freePort, isOnPath, startEngine } from './process.ts';

export interface KafkaEngine extends AsyncDisposable {
  /** `host:port`. */
  readonly brokers: string;
  /** Folder of Kafka's jars. */
  readonly libraries: string;
  readonly process: EngineProcess;
}

const pom = fileURLToPath(new URL('../../engines/pom.xml', import.meta.url));

/**
 * Starts Apache Kafka in KRaft mode, with one node as broker and controller.
 *
 * @param libraries folder of Kafka's jars. If the folder does not have the jars of pom.xml, they are fetched from Maven
 *   Central.
 */
export async function startKafka({
  folder,
  libraries,
  port: preferred = 9_092,
}: {
  folder: string;
  libraries: string;
  port?: number;
}): Promise<KafkaEngine> {
  const logFile = join(folder, 'kafka.log');
  await assertEngineStopped('Kafka', logFile);
  const jars = fetchJars(libraries);
  const data = join(folder, 'kafka');
  mkdirSync(data, { recursive: true });
  const port = await freePort(preferred);
  const controllerPort = await freePort(port + 1);
  const properties = join(data, 'server.properties');
  writeFileSync(
    properties,
    Object.entries({
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'PLAINTEXT',
      'log.dirs': join(data, 'log'),
      'auto.create.topics.enable': false,
      'offsets.topic.replication.factor': 1,
      'offsets.topic.num.partitions': 8,
      'transaction.state.log.replication.factor': 1,
      'transaction.state.log.min.isr': 1,
      // A new consumer group starts at once, and does not wait for more members to join.
      'group.initial.rebalance.delay.ms': 0,
    })
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  const java = (...args: string[]) => ['-cp', join(jars, '*'), ...args];
  if (!existsSync(join(data, 'log', 'meta.properties'))) {
    const { status, stdout, stderr } = spawnSync(
      'java',
      java('kafka.tools.StorageTool', 'format', '-t', clusterId(randomBytes(16)), '-c', properties),
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`Kafka's storage could not be formatted: ${stdout}${stderr}`);
  }
  const brokers = `127.0.0.1:${port}`;
  const engine = await startEngine({
    name: 'Kafka',
    command: 'java',
    args: java('-Xms256m', '-Xmx512m', 'kafka.Kafka', properties).toSorted(
      (a, b) => Number(b.startsWith('-X')) - Number(a.startsWith('-X')),
    ),
    logFile,
    ready: () => coordinatorAnswers(brokers),
  });
  return { brokers, libraries, process: engine, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
}

/**
 * Returns a cluster id in Kafka's format, 22 characters of base64url. The id never starts with a dash. Kafka's tool
 * would parse such an id as an option.
 */
export function clusterId(bytes: Buffer): string {
  return bytes.toString('base64url').replace(/^-/, 'A');
}

/**
 * Resolves once consumer groups can be joined. The broker's first response is not enough, because the broker responds
 * before it has loaded its consumer groups.
 */
async function coordinatorAnswers(brokers: string): Promise<void> {
  patchRequestQueue();
  const kafka = new Kafka({
    brokers: [brokers],
    clientId: 'engines',
    logLevel: logLevel.NOTHING,
    retry: { retries: 2, initialRetryTime: 50 },
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    // Retries are needed, because kafkajs refreshes the list of brokers only after a failure.
    await admin.describeGroups(['engines-are-ready']);
  } finally {
    await admin.disconnect();
  }
}

/** Fetches the jars that pom.xml lists, unless they are here already. Returns their folder. */
function fetchJars(libraries: string): string {
  if (!isOnPath('java')) throw new EngineMissing('Java 17 or newer', 'apt-get install openjdk-17-jre-headless');
  const wanted = readFileSync(pom, 'utf8');
  const mark = join(libraries, 'pom.xml');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return libraries;
  if (!isOnPath('mvn')) throw new EngineMissing('Maven', 'apt-get install maven');
  const fresh = `${libraries}.${process.pid}`;
  const { status, stdout, stderr } = spawnSync(
    'mvn',
    ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`Kafka could not be fetched: ${stdout}${stderr}`);
  writeFileSync(join(fresh, 'pom.xml'), wanted);
  rmSync(libraries, { recursive: true, force: true });
  renameSync(fresh, libraries);
  return libraries;
}
