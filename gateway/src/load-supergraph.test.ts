import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { readConfig } from '@voucher-gateway/platform/process/config';
import { describe, expect, it } from 'vitest';
import { loadSupergraph } from './load-supergraph.ts';
import { gatewayProcessSettings } from './process-settings.ts';
import { startSupergraphServer } from './testing/servers/supergraph-server.ts';
import { parcelSupergraph } from './testing/supergraphs/parcel-supergraph.ts';

const html = '<!doctype html><title>Sign in</title>';
const noTopic = parcelSupergraph().replace(/match: "customer"/, 'match: ""');

describe('supergraph setting: the error names the fault of', () => {
  it.each([
    ['a relative file that is not there', 'nowhere/supergraph.graphql', /can't be read: \/.*nowhere.* is not there/],
    ['a folder', '.', /can't be read: .* is a folder/],
    ['a URL with another scheme', 'ftp://example.com/supergraph', /must be a file or an http:\/\/ or https:\/\/ URL/],
    ['an invalid URL', 'http://', /must be a file or an http/],
    ['a password that is not encoded', 'http://a:%zz@127.0.0.1:9/s', /has a user or password that is not percent-enc/],
    ['a server that is down', 'http://127.0.0.1:9/supergraph', /can't be fetched: \S+/],
  ])('%s', async (_what, setting, fault) => {
    const loaded = await loadSupergraph(setting);
    expect(() =>
      readConfig(gatewayProcessSettings([], { fault: loaded.fault }), { SUPERGRAPH: setting, PORT: 'x' }),
    ).toThrow(new RegExp(`- PORT must be[\\s\\S]*- SUPERGRAPH ${fault.source}`));
  });

  it.each([
    ['HTML', html, /is no GraphQL schema: Syntax Error: Unexpected character: "<"/],
    ['JSON', '{"data": 1}', /is no GraphQL schema: Syntax Error/],
    ['nothing', '', /is no GraphQL schema/],
    ['a schema that is not composed', 'type Query { me: ID }', /is no supergraph: it names no subgraphs/],
    [
      'a supergraph with an undefined type',
      `${parcelSupergraph()}\nextend type Query { x: Nope }`,
      /can't be served: .*Nope/,
    ],
    ['a topic field that can not be served', noTopic, /can't be served: Subscription\.\w+: @topic needs/],
  ])('%s, in a file and at a URL', async (_what, sdl, fault) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-'));
    const file = join(folder.path, 'supergraph.graphql');
    await writeFile(file, sdl);
    await using server = await startSupergraphServer(sdl);
    for (const setting of [file, server.url]) expect((await loadSupergraph(setting)).fault).toMatch(fault);
  });

  it('an answer that is no supergraph', async () => {
    await using server = await startSupergraphServer(html, 404);
    expect((await loadSupergraph(server.url)).fault).toBe("can't be fetched: the answer is 404");
  });
});

describe('supergraph setting', () => {
  it('a supergraph is loaded from a file and from a URL', async () => {
    await using server = await startSupergraphServer(parcelSupergraph());
    expect(await loadSupergraph(server.url)).toMatchObject({ sdl: parcelSupergraph(), fault: null });
    await using folder = await mkdtempDisposable(join(tmpdir(), 'supergraph-'));
    await writeFile(join(folder.path, 'a.graphql'), parcelSupergraph());
    expect(await loadSupergraph(join(folder.path, 'a.graphql'))).toMatchObject({ fault: null });
  });

  it('a wrong one ends the process with its fault and no stack', async () => {
    const { PATH, HOME } = process.env;
    const main = fileURLToPath(new URL('./main.ts', import.meta.url));
    const child = spawn(process.execPath, [main], { env: { PATH, HOME, SUPERGRAPH: 'nowhere.graphql' } });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /- SUPERGRAPH can't be read: \/.*nowhere\.graphql is not there \(it is "nowhere\.graphql"\)/,
    );
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
