import { findInternal } from '@voucher-gateway/platform/testing/internals';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { hostileAnswers, startHostileSubgraph } from '../testing/servers/hostile-subgraph.ts';

// All cases share one gateway. So if a response has a lasting effect on the gateway, a later case fails.
let subgraph: Awaited<ReturnType<typeof startHostileSubgraph>>;
let gateway: TestGateway;
beforeAll(async () => {
  subgraph = await startHostileSubgraph();
  gateway = await startTestGateway({
    subgraphUrls: { people: subgraph.url },
    environment: { SUBGRAPH_TIMEOUT: '1s', NODE_ENV: 'production' },
  });
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await subgraph?.[Symbol.asyncDispose]();
});

describe('hostile subgraph responses', () => {
  it.each(hostileAnswers)('$name', async (answer) => {
    subgraph.answerWith(answer);
    const { data, errors } = await gateway.post('{ hello }');
    expect(findInternal(JSON.stringify({ data, errors }))).toBeNull();
    // The client gets data that the schema allows, or an error with a code.
    if (data) expect(data).toSatisfy(({ hello }) => hello === null || typeof hello === 'string');
    else expect(errors?.[0]?.extensions?.code).toMatch(/^[A-Z_]+$/);
    expect(errors?.length ?? 0).toBeLessThanOrEqual(100);
  });

  it('do not affect the gateway and its other operations', async () => {
    const good = '{"data":{"hello":"hello"}}';
    subgraph.answerWith({ name: 'good', bytes: `HTTP/1.1 200 OK\r\ncontent-length: ${good.length}\r\n\r\n${good}` });
    expect(await gateway.post('{ hello }')).toMatchObject({ status: 200, data: { hello: 'hello' } });
    expect(await gateway.post('{ __typename }')).toMatchObject({ status: 200, data: { __typename: 'Query' } });
  });
});
