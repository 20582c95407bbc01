import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { execute, parse } from 'graphql';
import { subgraphSdls } from './graph.ts';
import { createBareServer } from './http-server.ts';
import { resolvers } from './resolvers.ts';

// All subgraphs in one process. The response to a request is stored, and sent again for equal requests. So the
// subgraphs are never the bottleneck. The data never changes. The parent process gets the ports at the start. When the
// parent process sends a message, it gets the number of requests so far.

let requests = 0;
const ports: Record<string, number> = {};
for (const [name, typeDefs] of Object.entries(subgraphSdls)) {
  const schema = buildSubgraphSchema([{ typeDefs: parse(typeDefs), resolvers: resolvers[name] as never }]);
  const kept = new Map<string, Buffer>();
  const answerNew = async (body: string) => {
    const { query = '{ __typename }', variables } = body === '' ? {} : JSON.parse(body);
    const result = await execute({ schema, document: parse(query), variableValues: variables });
    const json = Buffer.from(JSON.stringify(result));
    kept.set(body, json);
    return json;
  };
  const server = createBareServer((body) => {
    requests += 1;
    return kept.get(body) ?? answerNew(body);
  });
  server.listen(0, '127.0.0.1', 4_096);
  await once(server, 'listening');
  ports[name] = (server.address() as AddressInfo).port;
}
process.on('message', () => process.send?.({ requests }));
process.send?.({ ports });
