import { afterAll, beforeAll, describe, it } from 'vitest';
import type { AttackTable } from './attack.ts';
import { bodies } from './bodies.ts';
import { describeAttacks } from './describe-attacks.ts';
import { documents } from './documents.ts';
import { rawHttp } from './http.ts';
import { frames, messages } from './messages.ts';
import { provider, providerCallbacks } from './provider.ts';
import { rest } from './rest.ts';
import { upgrade } from './sockets.ts';
import { streams } from './streams.ts';
import { startTarget, type Target } from './target.ts';
import { upgrades } from './upgrades.ts';
import { connectClient } from './wire.ts';

const tables: AttackTable[] = [
  rawHttp,
  bodies,
  upgrades,
  frames,
  messages,
  streams,
  rest,
  providerCallbacks,
  provider,
  documents,
];

// All attacks share one process. If an attack has a side effect, a later test fails.
let target: Target;
beforeAll(async () => {
  target = await startTarget();
});
afterAll(() => target?.[Symbol.asyncDispose]());

describeAttacks(tables, () => target);

describe('flood', () => {
  it.each([
    ['300 connections that say nothing', ''],
    ['300 requests that stop in their headers', 'POST /graphql HTTP/1.1\r\nhost: a\r\nx-slow: '],
    ['300 requests that stop in their body', 'POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: 9000\r\n\r\n{'],
    ['300 upgrades that are never initialised', String(upgrade())],
  ])('%s', async (_, bytes) => {
    const sockets = await Promise.all(Array.from({ length: 300 }, () => connectClient(target.system.gatewayUrl)));
    for (const socket of sockets) socket.write(bytes);
    await target.expectUndisturbed();
    await target.expectDelivery();
    for (const socket of sockets) socket.destroy();
  });
});

it('memory: stays bounded under all attacks', () => target.expectBoundedMemory());
