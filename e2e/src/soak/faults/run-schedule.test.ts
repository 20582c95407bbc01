import { describe, expect, it, vi } from 'vitest';
import type { SoakSystem } from '../system/soak-system.ts';
import { type Fault, type FaultContext, faults, type Resource } from './faults.ts';
import { runSchedule } from './run-schedule.ts';

/** Creates a fault that lasts until the test calls `heal`. */
const createFault = (...needs: Resource[]) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { needs, run: vi.fn(() => promise), heal: () => resolve() };
};

const due = (fault: 'kafka-killed' | 'begin-cut' | 'database-silent') => ({ atMs: 0, fault, which: 0 });

const createContext = () => {
  const complaints: string[] = [];
  const complain = (what: string) => void complaints.push(what);
  const context: FaultContext = { system: {} as SoakSystem, killed: 0, hangReceiver: () => {}, complain };
  return { context, complaints };
};

describe('soak: running schedule', () => {
  it('running schedule: overlaps only faults with different resources', async () => {
    const overrides = {
      'begin-cut': createFault('postgres'),
      'database-silent': createFault('postgres'),
      'kafka-killed': createFault('kafka'),
    };
    const { context, complaints } = createContext();
    const schedule = [due('begin-cut'), due('database-silent'), due('kafka-killed')];
    const running = runSchedule(schedule, context, () => {}, { ...faults, ...overrides });
    await expect.poll(() => [...running.active]).toEqual(['begin-cut', 'kafka-killed']);
    overrides['kafka-killed'].heal();
    await expect.poll(() => [...running.active]).toEqual(['begin-cut']);
    expect(overrides['database-silent'].run).not.toHaveBeenCalled();
    overrides['begin-cut'].heal();
    await expect.poll(() => [...running.active]).toEqual(['database-silent']);
    overrides['database-silent'].heal();
    await running.done;
    expect(complaints).toEqual([]);
  });

  it('running schedule: reports a failed fault, and continues with the next', async () => {
    const fails: Fault = { needs: ['postgres'], run: () => Promise.reject(new Error('no such database')) };
    const overrides = { 'begin-cut': fails, 'database-silent': createFault('postgres') };
    const { context, complaints } = createContext();
    overrides['database-silent'].heal();
    const schedule = [due('begin-cut'), due('database-silent')];
    await runSchedule(schedule, context, () => {}, { ...faults, ...overrides }).done;
    expect(overrides['database-silent'].run).toHaveBeenCalled();
    expect(complaints).toEqual(['begin-cut failed: Error: no such database']);
  });
});
