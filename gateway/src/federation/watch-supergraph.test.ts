import { EventEmitter, once } from 'node:events';
import { mkdtempDisposable, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryLog } from '@voucher-gateway/platform/testing/log';
import { describe, expect, it } from 'vitest';
import { startSupergraphServer } from '../testing/servers/supergraph-server.ts';
import { createSupergraphSource } from './supergraph-source.ts';
import { watchSupergraph } from './watch-supergraph.ts';

/** Watches a source and records the loaded supergraphs. Loading the text `bad` fails. */
function watch(setting: string, served: string, intervalMs = 20) {
  const log = createMemoryLog();
  const loaded: string[] = [];
  const events = new EventEmitter();
  const source = createSupergraphSource(setting);
  const watching = watchSupergraph({
    source: {
      ...source,
      read: (options) =>
        source.read(options).catch((error: unknown) => {
          // `setImmediate` delays `failed`, so that the failure is logged before the test continues.
          setImmediate(() => events.emit('failed'));
          throw error;
        }),
    },
    served,
    log,
    intervalMs,
    async reload(sdl) {
      loaded.push(sdl);
      events.emit('loaded');
      if (sdl === 'bad') throw new Error('that is no supergraph');
    },
  });
  return {
    log,
    loaded,
    /** Resolves when reading the source has failed. */
    untilFailed: () => once(events, 'failed'),
    /** Resolves once `count` supergraphs were loaded. */
    async untilLoaded(count: number) {
      while (loaded.length < count) await once(events, 'loaded');
    },
    [Symbol.asyncDispose]: () => watching[Symbol.asyncDispose](),
  };
}

async function createFile(text: string) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-'));
  const file = join(folder.path, 'supergraph.graphql');
  await writeFile(file, text);
  return { file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe('supergraph file', () => {
  it('is reloaded when it changes; one that can’t be read or served is skipped', async () => {
    await using folder = await createFile('one');
    await using watching = watch(folder.file, 'one');
    for (const [index, sdl] of ['two', 'bad', 'three'].entries()) {
      // The file is replaced by an atomic rename, because a file that is written in place is empty for a moment.
      await writeFile(`${folder.file}.next`, sdl);
      await rename(`${folder.file}.next`, folder.file);
      await watching.untilLoaded(index + 1);
      expect(watching.loaded[index]).toBe(sdl);
    }
    await rm(folder.file);
    await watching.untilFailed();
    expect(watching.log.text).toContain('is not there');
    await writeFile(`${folder.file}.next`, 'four');
    await rename(`${folder.file}.next`, folder.file);
    await watching.untilLoaded(4);
    expect(watching.loaded).toEqual(['two', 'bad', 'three', 'four']);
    expect(watching.log.text).toContain('that is no supergraph');
  });

  it('is read at once on SIGHUP, and retried', async () => {
    await using folder = await createFile('bad');
    await using watching = watch(folder.file, 'one', 1_000_000);
    for (const times of [1, 2]) {
      process.emit('SIGHUP');
      await watching.untilLoaded(times);
      expect(watching.loaded).toEqual(Array(times).fill('bad'));
    }
  });
});

describe('supergraph URL', () => {
  it('is polled with ETag, and reloaded when it changes', async () => {
    await using server = await startSupergraphServer('one');
    await using watching = watch(server.url, 'one');
    await server.untilSeen(3, 304);
    for (const [index, sdl] of ['two', 'bad', 'three'].entries()) {
      server.served.text = sdl;
      await watching.untilLoaded(index + 1);
      expect(watching.loaded[index]).toBe(sdl);
    }
    // A supergraph that can't be served is fetched only once.
    expect(server.seen.filter(({ status }) => status === 200)).toHaveLength(4);
  });

  it('that fails keeps the supergraph, and repeated failures are one log line', async () => {
    await using server = await startSupergraphServer('one', 500);
    await using watching = watch(server.url, 'one');
    await server.untilSeen(6, 500);
    expect(watching.log.text.match(/could not be read/g)).toHaveLength(1);
    Object.assign(server.served, { text: 'two', status: 200 });
    await watching.untilLoaded(1);
    expect(watching.loaded).toEqual(['two']);
  });

  it('sends its credentials as a header, and logs none', async () => {
    await using server = await startSupergraphServer('', 403);
    const source = createSupergraphSource(server.url.replace('//', '//ann:s%40cret@'));
    await expect(source.read()).rejects.toThrow("can't be fetched: the answer is 403");
    expect(server.seen[0]?.headers.authorization).toBe(`Basic ${btoa('ann:s@cret')}`);
    expect(source.name).not.toMatch(/ann|cret/);
  });
});
