import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createLog } from './log.ts';
import { createLogDestination } from './log-destination.ts';

it('log: continues when standard error is on a full disk', () => {
  const full = openSync('/dev/full', 'w');
  const script = `
    const { createLog } = await import(${JSON.stringify(new URL('log.ts', import.meta.url).href)});
    const log = createLog({ level: 'info', service: 'test' });
    for (let line = 0; line < 3; line += 1) log.info({ line }, 'written');
    process.stdout.write('still here');`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', full] });
  closeSync(full);
  expect({ status: child.status, said: child.stdout.toString() }).toEqual({ status: 0, said: 'still here' });
});

/** Opens a log on a simulated disk. The test decides how many bytes each write takes, or with which error it fails. */
function openDisk(take: (bytes: Uint8Array) => number | string) {
  const chunks: string[] = [];
  const destination = createLogDestination(2, (_fd, bytes) => {
    const taken = take(bytes);
    if (typeof taken === 'string') throw Object.assign(new Error(taken), { code: taken });
    chunks.push(Buffer.from(bytes.subarray(0, taken)).toString());
    return taken;
  });
  return { log: createLog({ level: 'info', service: 'test', destination }), text: () => chunks.join('') };
}
const parse = (line: string) => JSON.parse(line) as Record<string, unknown>;

it.each(['ENOSPC', 'EIO', 'EAGAIN'])('log: drops lines at %s and logs how many', (code) => {
  let isFull = false;
  const { log, text } = openDisk((bytes) => (isFull ? code : bytes.length));
  log.info({}, 'before');
  isFull = true;
  log.info({}, 'lost 1');
  log.info({}, 'lost 2');
  isFull = false;
  log.info({}, 'after');
  log.info({}, 'later');
  const lines = text().trimEnd().split('\n').map(parse);
  expect(lines.map(({ msg, droppedLines }) => [msg, droppedLines])).toEqual([
    ['before', undefined],
    ['after', 2],
    ['later', undefined],
  ]);
});

it('log: begins a new line after a truncated one', () => {
  const answers: (number | string)[] = [10, 'ENOSPC'];
  const { log, text } = openDisk((bytes) => answers.shift() ?? bytes.length);
  log.info({}, 'cut');
  log.info({}, 'whole');
  const [cut = '', whole = ''] = text().split('\n');
  expect(cut).toHaveLength(10);
  expect(parse(whole)).toMatchObject({ msg: 'whole', droppedLines: 1 });
});

it('log: waits briefly for a full pipe, and writes the rest', () => {
  const answers: (number | string)[] = [10, 'EAGAIN', 'EAGAIN'];
  const { log, text } = openDisk((bytes) => answers.shift() ?? bytes.length);
  log.info({}, 'written');
  expect(parse(text())).toMatchObject({ msg: 'written' });
});
