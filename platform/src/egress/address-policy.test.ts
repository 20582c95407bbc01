import { describe, expect, it } from 'vitest';
import { addressRefusal, isPrivateRange } from './address-policy.ts';

const publicOnly = { allowLoopback: false, privateRanges: [] };
const open = {
  allowLoopback: true,
  privateRanges: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'],
};

describe('address policy', () => {
  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '::ffff:8.8.8.8'])('allows the public %s', (address) => {
    expect(addressRefusal(address, publicOnly)).toBeNull();
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])(
    'allows loopback %s by its setting only',
    (address) => {
      expect(addressRefusal(address, publicOnly)).toContain('loopback');
      expect(addressRefusal(address, { ...open, allowLoopback: false })).toContain('loopback');
      expect(addressRefusal(address, { ...publicOnly, allowLoopback: true })).toBeNull();
    },
  );

  it.each(['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.0.0.1'])(
    'allows the private %s by a range only',
    (address) => {
      expect(addressRefusal(address, { ...publicOnly, allowLoopback: true })).toContain('private');
      expect(addressRefusal(address, open)).toBeNull();
    },
  );

  it('allows no private address outside the ranges', () => {
    const policy = { ...publicOnly, privateRanges: ['10.1.0.0/16', 'fd12::/16'] };
    expect(['10.1.2.3', '10.2.0.1', 'fd12::1', 'fd13::1'].map((each) => addressRefusal(each, policy) === null)).toEqual(
      [true, false, true, false],
    );
  });

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '::7f00:1',
    '::ffff:0:7f00:1',
    '169.254.169.254',
    '::ffff:169.254.169.254',
    'fe80::1',
    'fec0::1',
    '100.100.100.200',
    '168.63.129.16',
    '::ffff:168.63.129.16',
    'fd00:ec2::254',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.1',
    '192.88.99.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    'nonsense',
    '',
  ])('refuses %s, whatever is set', (address) => {
    expect(addressRefusal(address, open)).not.toBeNull();
  });
});

it.each([
  ['10.0.0.0/8', true],
  ['10.1.2.3/32', true],
  ['172.20.0.0/16', true],
  ['fd12::/16', true],
  ['0.0.0.0/0', false],
  ['10.0.0.0/7', false],
  ['172.16.0.0/11', false],
  ['169.254.0.0/16', false],
  ['127.0.0.0/8', false],
  ['8.8.8.0/24', false],
  ['::/0', false],
  ['10.0.0.1', false],
  ['nonsense', false],
])('private range: %s is one: %s', (cidr, isOne) => {
  expect(isPrivateRange(cidr)).toBe(isOne);
});
