import { describe, expect, it } from 'vitest';
import { createSessionStore, remainingMs } from './session-store.ts';

const session = {
  token: 'token-1',
  expiresAt: '2026-01-31T12:00:00.000Z',
  idleSeconds: 600,
  userId: 'user-1',
  username: 'ann',
  phoneNumber: '+84909123456',
};

function createStorage() {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  };
}

describe('session store', () => {
  it('session: survives a reload until it is signed out', () => {
    const storage = createStorage();
    createSessionStore(storage).signIn(session);
    const reloaded = createSessionStore(storage);
    expect(reloaded.state()).toMatchObject({ phase: 'signed-in', session });
    reloaded.signOut();
    expect(createSessionStore(storage).state()).toEqual({ phase: 'signed-out' });
  });

  it('session: ends by its own token only, keeps the name, and loses the token', () => {
    const storage = createStorage();
    const store = createSessionStore(storage);
    store.signIn(session);
    store.end('token-0');
    expect(store.token()).toBe('token-1');
    store.end('token-1');
    expect(store.state()).toMatchObject({ phase: 'ended', session: { username: 'ann' } });
    expect([store.token(), storage.items.size]).toEqual([null, 0]);
  });

  it.each(['{', '7', '{"token":"t","username":"u"}'])('session: ignores the stored %s', (text) => {
    const storage = createStorage();
    storage.setItem('voucher-gateway:session', text);
    expect(createSessionStore(storage).state()).toEqual({ phase: 'signed-out' });
  });

  it('session: lasts until it is idle for too long, or its token expires', () => {
    const expiresAt = Date.parse(session.expiresAt);
    const at = (lastUsedAt: number, now: number) => remainingMs({ ...session, lastUsedAt }, now);
    expect(at(expiresAt - 3_600_000, expiresAt - 3_600_000)).toBe(600_000);
    expect(at(expiresAt - 10_000, expiresAt - 4_000)).toBe(4_000);
    expect(at(expiresAt - 3_600_000, expiresAt)).toBe(0);
  });
});
