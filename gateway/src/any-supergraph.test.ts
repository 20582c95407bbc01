import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { composeServices } from '@apollo/composition';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { createSubgraphServer } from '@voucher-gateway/platform/graphql/subgraph-server';
import { silentLog } from '@voucher-gateway/platform/process/log';
import { postGraphql } from '@voucher-gateway/platform/testing/graphql-client';
import { waitFor } from '@voucher-gateway/platform/testing/wait-for';
import { parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { parcelSupergraph } from './testing/supergraphs/parcel-supergraph.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@authenticated"])';
const people =
  'type Query { me: Person } type Person @key(fields: "id") { id: ID! name: String secret: Int @authenticated }';
/** Adds the field `pong` to the SDL. The subgraph `orders` always has a resolver for `pong`. */
const withPong = (sdl: string) => sdl.replace('ping: Int', 'ping: Int pong: Int');
const orders = 'type Query { ping: Int } type Person @key(fields: "id") { id: ID! orders: Int }';

/** Starts two subgraphs over HTTP. Returns the supergraph with their URLs. */
async function startSubgraphs() {
  await using releases = new AsyncDisposableStack();
  const start = async (typeDefs: string, resolvers: object) => {
    const schema = buildSubgraphSchema([{ typeDefs: parse(link + typeDefs), resolvers: resolvers as never }]);
    const options = { schema, log: silentLog, host: '127.0.0.1', port: 0, engines: {}, context: async () => ({}) };
    return `${releases.use(await createSubgraphServer(options)).url}/graphql`;
  };
  const me = { id: '1', name: 'Ann', secret: 1 };
  const urls = {
    people: await start(people, { Query: { me: () => me } }),
    orders: await start(withPong(orders), { Person: { orders: () => 3 }, Query: { pong: () => 2 } }),
  };
  const compose = (ordersSdl = orders) =>
    composeServices([
      { name: 'people', url: urls.people, typeDefs: parse(link + people) },
      { name: 'orders', url: urls.orders, typeDefs: parse(link + ordersSdl) },
    ]).supergraphSdl ?? '';
  const owned = releases.move();
  return { compose, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Runs the first commands of docs/gateway.md, without `npm ci`, with this supergraph and on a free port. */
async function runCommands(file: string, environment: Record<string, string> = {}) {
  const text = await readFile(join(root, 'docs/gateway.md'), 'utf8');
  const commands = (/```sh\n([\s\S]*?)```/.exec(text)?.[1] ?? '').trim().split('\n');
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const [install, settings = '', start = ''] = commands;
  expect(commands).toHaveLength(3);
  expect(install).toBe('npm ci');
  const changed = settings.replace('supergraph.graphql', file).replace('PORT=4000', 'PORT=0');
  const script = scripts[start.replace('npm run ', '')] as string;
  const { PATH, HOME } = process.env;
  const child = spawn('sh', ['-c', `${changed}; exec ${script}`], {
    cwd: root,
    env: {
      PATH: `${join(process.execPath, '..')}:${PATH}`,
      HOME,
      HOST: '127.0.0.1',
      SHUTDOWN_DELAY: '1ms',
      ...environment,
    },
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const found = /"url":"([^"]+)".*"ready"/.exec(line)?.[1];
        if (found) resolve(found);
      });
    exited.then(() => reject(new Error(lines.join('\n'))), reject);
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await exited;
    },
  };
}

describe('docs/gateway.md', () => {
  it('starts with three commands that serve a supergraph, and take a new one', async () => {
    await using subgraphs = await startSubgraphs();
    await using folder = await mkdtempDisposable(join(tmpdir(), 'any-supergraph-'));
    const file = join(folder.path, 'supergraph.graphql');
    await writeFile(file, subgraphs.compose());
    await using gateway = await runCommands(file);
    for (const state of ['live', 'ready']) expect((await fetch(`${gateway.url}/health/${state}`)).status).toBe(200);
    const post = (query: string) => postGraphql(`${gateway.url}/graphql`, query);
    expect(await post('{ me { name orders secret } }')).toMatchObject({
      data: { me: { name: 'Ann', orders: 3, secret: null } },
      errors: [{ path: ['me', 'secret'], extensions: { code: 'UNAUTHORIZED_FIELD_OR_TYPE' } }],
    });
    await writeFile(file, subgraphs.compose(withPong(orders)));
    const pong = await waitFor(async () => ((await post('{ pong }')) as { data?: { pong: number } }).data?.pong);
    expect(pong).toBe(2);
  });
});

describe('any supergraph', () => {
  it('with topic fields needs a broker, and the error says so', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'any-supergraph-'));
    const file = join(folder.path, 'supergraph.graphql');
    await writeFile(file, parcelSupergraph().replaceAll(/http:\/\/\w+\.invalid/g, 'http://127.0.0.1:9'));
    await expect(runCommands(file)).rejects.toThrow(/KAFKA_BROKERS is missing: the supergraph has @topic fields/);
  });
});
