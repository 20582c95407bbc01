import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import pg from 'pg';
import type { SoakSystem, SystemProcess } from '../system/soak-system.ts';
import { findLeaseHolder } from './lease-holder.ts';
import type { FaultName } from './schedule.ts';

/** The context of all faults of a soak. */
export interface FaultContext {
  system: SoakSystem;
  /** Makes the receiver of one customer hang. With `isHanging: false` the receiver responds again. */
  hangReceiver(isHanging: boolean): void;
  /**
   * Number of processes that were killed so far. The index of the next process to kill is this number, modulo the
   * number of processes.
   */
  killed: number;
  /** Reports a violation. */
  complain(what: string): void;
}

/** Resources that only one fault may use at a time. */
export type Resource = 'postgres' | 'kafka' | 'redis' | 'processes' | 'provider' | 'receiver';

export interface Fault {
  needs: readonly Resource[];
  /** Injects the fault. Resolves when it is healed. `which`, in [0, 1), selects the affected process. */
  run(context: FaultContext, which: number): Promise<void>;
}

const beginsPerCut = 60;
/** Number of processes that one fault kills, one after the other. */
const killedAtATime = 3;
const startWithinMs = 120_000;

export const faults: Readonly<Record<FaultName, Fault>> = {
  'begin-cut': {
    needs: ['postgres'],
    async run({ system }) {
      system.database.apply({ kind: 'begin-cut', every: beginsPerCut });
      await sleep(15_000);
      system.database.apply({ kind: 'none' });
    },
  },
  'connections-terminated': {
    needs: ['postgres'],
    async run({ system }) {
      for (let time = 0; time < 30; time += 1) {
        await query(
          system,
          'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        );
        await sleep(500);
      }
    },
  },
  'database-read-only': {
    needs: ['postgres'],
    async run({ system }) {
      await query(system, 'alter system set default_transaction_read_only = on', 'select pg_reload_conf()');
      await sleep(15_000);
      await query(
        system,
        'set default_transaction_read_only = off',
        'alter system reset default_transaction_read_only',
        'select pg_reload_conf()',
      );
    },
  },
  'database-silent': {
    needs: ['postgres'],
    async run({ system }) {
      system.database.apply({ kind: 'silent' });
      await sleep(20_000);
      system.database.apply({ kind: 'none' });
    },
  },
  'kafka-killed': {
    needs: ['kafka'],
    async run({ system }) {
      await system.killKafka();
      await sleep(5_000);
      await system.startKafka();
    },
  },
  'restarted-without-kafka': {
    needs: ['kafka', 'processes'],
    async run({ system, complain }) {
      await system.killKafka();
      await Promise.all(system.processes.map((process) => restart(process, complain)));
      await system.startKafka();
    },
  },
  'lease-holder-frozen': {
    needs: ['processes'],
    async run({ system, complain }) {
      // The fault waits until a process has the lease of the outbox. While the database is down, no process has it.
      const holder = await waitFor(() => findLeaseHolder(system), { withinMs: 30_000, everyMs: 1_000 });
      if (holder) await freeze(holder, 20_000);
      else complain('nobody has the lease of the outbox');
    },
  },
  'service-frozen': {
    needs: ['processes'],
    run: ({ system: { processes } }, which) =>
      freeze(processes[Math.floor(which * processes.length)] as SystemProcess, 30_000),
  },
  'service-killed': {
    needs: ['processes'],
    async run(context) {
      const { processes } = context.system;
      for (let count = 0; count < killedAtATime; count += 1) {
        const process = processes[context.killed++ % processes.length] as SystemProcess;
        await process.kill('SIGKILL');
        await startAgain(process, context.complain);
      }
    },
  },
  'redis-flushed': { needs: ['redis'], run: ({ system }) => flushRedis(system.engines.redis.url) },
  'rolling-restart': {
    needs: ['processes'],
    async run({ system: { processes }, complain }) {
      const roll = async (isGateway: boolean) => {
        for (const process of processes)
          if ((process.service === 'gateway') === isGateway) await restart(process, complain);
      };
      await Promise.all([roll(true), roll(false)]);
    },
  },
  'provider-outage': {
    needs: ['provider'],
    async run({ system: { stack } }) {
      const url = `${stack.vpsUrl}/control/next`;
      await untilDone(() =>
        fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ fault: 'error', times: 1_000_000 }),
        }),
      );
      await sleep(15_000);
      await untilDone(() => fetch(url, { method: 'DELETE' }));
    },
  },
  'receiver-hangs': {
    needs: ['receiver'],
    async run({ hangReceiver }) {
      hangReceiver(true);
      await sleep(20_000);
      hangReceiver(false);
    },
  },
};

/** Runs statements on a separate connection that bypasses the proxy. */
async function query({ engines }: SoakSystem, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: engines.postgres.url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

async function freeze({ pid }: SystemProcess, forMs: number): Promise<void> {
  if (pid === undefined) return;
  process.kill(pid, 'SIGSTOP');
  await sleep(forMs);
  process.kill(pid, 'SIGCONT');
}

/** Restarts a process as a deployment does. After SIGTERM the process must exit with 0. Then it is started again. */
async function restart(process: SystemProcess, complain: FaultContext['complain']): Promise<void> {
  await process.kill('SIGTERM');
  const { code, signal } = process.exit;
  if (code !== 0) complain(`${process.name} ended with ${signal ?? code} on SIGTERM`);
  await startAgain(process, complain);
}

/** Starts a process as a supervisor does, by retrying a failed start, for example while there is no database. */
async function startAgain(process: SystemProcess, complain: FaultContext['complain']): Promise<void> {
  const deadline = performance.now() + startWithinMs;
  for (;;) {
    try {
      return await process.start();
    } catch (error) {
      await process.kill('SIGKILL');
      if (performance.now() < deadline) continue;
      complain(`${process.name} did not start: ${(error as Error).message.split('\n', 1)[0]}`);
      return;
    }
  }
}

/** Sends a request to the provider until it succeeds, because the provider's process may be down. */
async function untilDone(request: () => Promise<Response>): Promise<void> {
  const isDone = async () => (await request().catch(() => null))?.ok;
  if (!(await waitFor(isDone, { withinMs: startWithinMs, everyMs: 200 })))
    throw new Error('the provider does not answer');
}

async function flushRedis(url: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  try {
    socket.write('FLUSHALL\r\n');
    const [answer] = await once(socket, 'data');
    if (!String(answer).startsWith('+OK')) throw new Error(`Redis answered ${answer}`);
  } finally {
    socket.destroy();
  }
}
