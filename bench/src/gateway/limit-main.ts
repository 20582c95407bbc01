import { createServer } from 'node:http';
import { Pool } from 'undici';
import { operations } from './graph.ts';

// Measures the highest rate that any gateway could reach with this HTTP server and client. This process is no GraphQL
// server: it executes plans that are written by hand. It only collects representations, sends each of them once, merges
// responses, and writes the result.

interface Owned {
  id: string;
  code: string;
  status: string;
  receivedAt: string;
  owner: { id: string };
}

const open = (name: string) =>
  new Pool(process.env[`SUBGRAPH_${name}_URL`]?.replace('/graphql', '') ?? '', { connections: 64 });
const user = open('USER');
const voucher = open('VOUCHER');
const headers = { 'content-type': 'application/json', accept: 'application/json' };

async function ask(pool: Pool, query: string, variables?: object) {
  const { body } = await pool.request({
    path: '/graphql',
    method: 'POST',
    headers,
    body: JSON.stringify({ query, variables }),
  });
  return JSON.parse(await body.text()).data;
}

async function ownersOf(vouchers: readonly Owned[]): Promise<(voucher: Owned) => { username: string }> {
  const indexes = new Map<string, number>();
  for (const { owner } of vouchers) if (!indexes.has(owner.id)) indexes.set(owner.id, indexes.size);
  const representations = [...indexes.keys()].map((id) => ({ __typename: 'User', id }));
  const query = 'query($representations:[_Any!]!){_entities(representations:$representations){...on User{username}}}';
  const { _entities: entities } = await ask(user, query, { representations });
  return ({ owner }) => ({ username: entities[indexes.get(owner.id) as number].username });
}

const plans: Readonly<Record<string, () => Promise<object>>> = {
  async Q1() {
    const { me } = await ask(user, '{me{id username}}');
    return { me: { id: me.id, username: me.username } };
  },
  async Q2() {
    const query = '{purchasedVouchers(phoneNumber:"mixed",first:20){id code status receivedAt owner{__typename id}}}';
    const vouchers: Owned[] = (await ask(voucher, query)).purchasedVouchers;
    const ownerOf = await ownersOf(vouchers);
    return {
      purchasedVouchers: vouchers.map((each) => {
        const { id, code, status, receivedAt } = each;
        return { id, code, status, receivedAt, owner: ownerOf(each) };
      }),
    };
  },
  async Q3() {
    const { me } = await ask(user, '{me{__typename id username}}');
    const query =
      'query($representations:[_Any!]!){_entities(representations:$representations){...on User{vouchers{id code owner{__typename id}}}}}';
    const { _entities: entities } = await ask(voucher, query, { representations: [{ __typename: 'User', id: me.id }] });
    const vouchers: Owned[] = entities[0].vouchers;
    const ownerOf = await ownersOf(vouchers);
    return {
      me: {
        username: me.username,
        vouchers: vouchers.map((each) => ({ id: each.id, code: each.code, owner: ownerOf(each) })),
      },
    };
  },
};
const byQuery = new Map(Object.entries(plans).map(([name, plan]) => [operations[name], plan]));

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', async () => {
    try {
      const { query } = JSON.parse(Buffer.concat(chunks).toString() || '{}');
      const json = Buffer.from(JSON.stringify({ data: (await byQuery.get(query)?.()) ?? null }));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': json.length }).end(json);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
