import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { countAlive } from '../testing/count-alive.ts';
import { serve } from '../testing/http-app.ts';

// Regression: if a client left before its response, the response's timer kept the request in memory for 2 minutes.
it('http server: releases the requests of clients that left before the response', async () => {
  const responses: WeakRef<object>[] = [];
  await using server = await serve((app) =>
    app.get('/', async (_request, { raw }) => {
      responses.push(new WeakRef(raw));
      await once(raw, 'close');
      return 'too late';
    }),
  );
  for (let client = 0; client < 10; client += 1) await askAndLeave(server.port, () => responses.length > client);
  await expect.poll(() => countAlive(responses)).toBe(0);
});

async function askAndLeave(port: number, hasArrived: () => boolean): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await expect.poll(hasArrived).toBe(true);
  socket.destroy();
}
