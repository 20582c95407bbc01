import { describe, expect, it } from 'vitest';
import { errorCode } from '../errors.ts';
import { startDnsServer } from '../testing/dns-server.ts';
import { createNameResolver } from './name-resolver.ts';

const name = 'receiver.example.com';

describe('name resolver', () => {
  it('returns the addresses of both families', async () => {
    await using dns = await startDnsServer();
    dns.addresses.set(name, ['192.0.2.1', '2001:db8::1']);
    using resolver = createNameResolver({ servers: [dns.address] });
    expect(await resolver.resolve(name)).toEqual([
      { address: '192.0.2.1', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ]);
  });

  // Regression: a name with thousands of addresses filled the memory, and each attempt tried all of them in turn.
  it('uses eight addresses of a family', async () => {
    await using dns = await startDnsServer();
    dns.addresses.set(
      name,
      Array.from({ length: 20 }, (_, index) => [`192.0.2.${index}`, `2001:db8::${index}`]).flat(),
    );
    using resolver = createNameResolver({ servers: [dns.address] });
    const families = (await resolver.resolve(name)).map(({ family }) => family);
    expect(families).toEqual([...Array(8).fill(4), ...Array(8).fill(6)]);
  });

  it('asks once for concurrent and later calls, whatever the case and the final dot', async () => {
    await using dns = await startDnsServer();
    dns.addresses.set(name, ['192.0.2.1']);
    using resolver = createNameResolver({ servers: [dns.address] });
    await Promise.all([resolver.resolve(name), resolver.resolve('Receiver.Example.com.')]);
    await resolver.resolve(name);
    expect(dns.questions.toSorted()).toEqual([`A ${name}`, `AAAA ${name}`]);
  });

  it('rejects for a name that does not exist, and asks no more for a while', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address] });
    for (const _turn of [1, 2]) await expect(resolver.resolve(name)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(dns.questions).toHaveLength(2);
  });

  it('times out without a response, and delays no other name meanwhile', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address], timeoutMs: 400 });
    const silent = Array.from({ length: 100 }, (_, index) => `silent-${index}.example.com`);
    for (const each of silent) dns.addresses.set(each, null);
    dns.addresses.set(name, ['192.0.2.1']);
    const ended: string[] = [];
    const note = (each: string) => () => void ended.push(each);
    await Promise.all([
      ...silent.map((each) =>
        expect(resolver.resolve(each)).rejects.toMatchObject({ code: 'ETIMEOUT' }).then(note(each)),
      ),
      resolver.resolve(name).then(note(name)),
    ]);
    expect(ended[0]).toBe(name);
  });

  // Regression: while our name servers did not answer, every name was reported as a name that does not resolve.
  it.each(['silent', 'SERVFAIL', 'REFUSED'] as const)(
    'reports that no name server works if all questions are answered by %s',
    async (fault) => {
      await using dns = await startDnsServer();
      using resolver = createNameResolver({ servers: [dns.address], timeoutMs: 400 });
      dns.fault = fault;
      const all = [name, 'other.example.com'].map((each) => resolver.resolve(each).catch(errorCode));
      expect(await Promise.all(all)).toEqual(['NAME_SERVERS_UNAVAILABLE', 'NAME_SERVERS_UNAVAILABLE']);
      dns.fault = null;
      dns.addresses.set(name, ['192.0.2.1']);
      expect(await resolver.resolve(name)).toHaveLength(1);
    },
  );

  it('reports a dead name as such, however little else is resolved', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address], timeoutMs: 400 });
    dns.addresses.set(name, null);
    for (const _turn of [1, 2]) await expect(resolver.resolve(name)).rejects.toMatchObject({ code: 'ETIMEOUT' });
    expect(dns.questions.filter((question) => !question.endsWith(name))).toEqual(['NS .', 'NS .']);
  });

  it('asks nothing else for a dead name while others are answered', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address], timeoutMs: 400 });
    dns.addresses.set(name, null);
    dns.addresses.set('other.example.com', ['192.0.2.1']);
    const dead = expect(resolver.resolve(name)).rejects.toMatchObject({ code: 'ETIMEOUT' });
    await resolver.resolve('other.example.com');
    await dead;
    expect(dns.questions).not.toContain('NS .');
  });

  // Regression: while one name server is away, c-ares reports the error of the last server. Every name that does not
  // resolve then looked like a fault of our name servers.
  it('reports a dead name as such while one of two name servers is away', async () => {
    await using dns = await startDnsServer();
    const away = await startDnsServer();
    await away[Symbol.asyncDispose]();
    for (const servers of [
      [dns.address, away.address],
      [away.address, dns.address],
    ]) {
      using resolver = createNameResolver({ servers, timeoutMs: 400 });
      dns.addresses.set(name, null);
      expect(await resolver.resolve(name).catch(errorCode)).not.toBe('NAME_SERVERS_UNAVAILABLE');
      dns.addresses.set(name, ['192.0.2.1']);
      expect(await resolver.resolve(name)).toHaveLength(1);
    }
  });

  // Regression: the resolver rejected without an error, which ended the process at the next callback to such a name.
  it('rejects for a name that has an alias only', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address] });
    dns.addresses.set(name, ['alias.example.com']);
    await expect(resolver.resolve(name)).rejects.toMatchObject({ code: 'ENODATA' });
  });

  it('uses an address of one family if the other has no response', async () => {
    await using dns = await startDnsServer();
    dns.addresses.set(name, ['192.0.2.1']);
    using resolver = createNameResolver({ servers: [dns.address] });
    expect(await resolver.resolve(name)).toEqual([{ address: '192.0.2.1', family: 4 }]);
  });

  it('resolves localhost without DNS', async () => {
    await using dns = await startDnsServer();
    using resolver = createNameResolver({ servers: [dns.address] });
    expect((await resolver.resolve('app.localhost')).map(({ address }) => address)).toEqual(['127.0.0.1', '::1']);
    expect(dns.questions).toEqual([]);
  });

  it('rejects what waits when it is disposed', async () => {
    await using dns = await startDnsServer();
    dns.addresses.set(name, null);
    const resolver = createNameResolver({ servers: [dns.address] });
    const waiting = expect(resolver.resolve(name)).rejects.toMatchObject({ code: 'ECANCELLED' });
    await expect.poll(() => dns.questions.length).toBeGreaterThan(0);
    resolver[Symbol.dispose]();
    await waiting;
  });
});
