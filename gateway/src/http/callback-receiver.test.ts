import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startVoucherGateway } from '../testing/voucher-gateway.ts';

describe('callback receiver', () => {
  const read = async (url: string) => ((await (await fetch(url)).json()) as { requests: { body: string }[] }).requests;
  const post = (url: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

  it('receiver: shows what was posted to its id, byte by byte, newest first', async () => {
    await using gateway = await startVoucherGateway();
    const url = `${gateway.url}/receivers/${randomUUID()}`;
    expect(await read(url)).toEqual([]);
    const body = '{"a" : 1, "b":"\u00e9"}';
    expect((await post(url, 'first', { 'content-type': 'text/plain' })).status).toBe(204);
    expect((await post(url, body, { 'webhook-id': 'id-1', authorization: 'not stored' })).status).toBe(204);
    expect(await read(url)).toEqual([
      {
        id: expect.any(String),
        at: expect.any(String),
        headers: expect.objectContaining({ 'webhook-id': 'id-1', 'content-type': 'application/json' }),
        body,
      },
      { id: expect.any(String), at: expect.any(String), headers: expect.any(Object), body: 'first' },
    ]);
    expect(JSON.stringify(await read(url))).not.toContain('not stored');
    expect(await read(`${gateway.url}/receivers/${randomUUID()}`)).toEqual([]);
  });

  it('receiver: keeps the last 20 requests of an id', async () => {
    await using gateway = await startVoucherGateway();
    const url = `${gateway.url}/receivers/${randomUUID()}`;
    for (let request = 1; request <= 25; request += 1) await post(url, String(request));
    expect((await read(url)).map(({ body }) => body)).toEqual(
      Array.from({ length: 20 }, (_, index) => String(25 - index)),
    );
  });

  it('receiver: is evicted when the others take more than 16 MiB', async () => {
    await using gateway = await startVoucherGateway();
    const urls = Array.from({ length: 14 }, () => `${gateway.url}/receivers/${randomUUID()}`);
    for (const url of urls) for (let request = 0; request < 20; request += 1) await post(url, `ā${'x'.repeat(32_000)}`);
    expect(await read(urls[0] as string)).toEqual([]);
    expect(await read(urls[13] as string)).toHaveLength(20);
  });

  it.each([
    ['an id that is none', 'nonsense', 'x', 400],
    ['a body over 32 KiB', randomUUID(), 'x'.repeat(32_769), 413],
  ])('receiver: rejects %s', async (_what, id, body, status) => {
    await using gateway = await startVoucherGateway();
    const url = `${gateway.url}/receivers/${id}`;
    expect((await post(url, body)).status).toBe(status);
  });
});
