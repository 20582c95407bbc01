import { expect, it } from 'vitest';
import { isRefusedAddress } from './addresses.ts';

const internal = [
  '127.0.0.1',
  '127.8.8.8',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '::1',
  'fd12::1',
  '::ffff:127.0.0.1',
];
const never = [
  '0.0.0.0',
  '::',
  '169.254.169.254',
  'fe80::1',
  '100.64.0.1',
  '224.0.0.1',
  'ff02::1',
  '255.255.255.255',
  '240.0.0.1',
  '192.0.2.1',
  '2001:db8::1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '168.63.129.16',
  '::ffff:168.63.129.16',
  'fd00:ec2::254',
  'nonsense',
];
const external = ['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '::ffff:8.8.8.8'];

it.each(internal)('addresses: internal %s is refused, unless it is allowed', (address) => {
  expect(isRefusedAddress(address, { allowLoopback: false })).toBe(true);
  expect(isRefusedAddress(address, { allowLoopback: true })).toBe(false);
});

it.each(never)('addresses: %s is always refused', (address) => {
  expect(isRefusedAddress(address, { allowLoopback: false })).toBe(true);
  expect(isRefusedAddress(address, { allowLoopback: true })).toBe(true);
});

it.each(external)('addresses: %s is allowed', (address) => {
  expect(isRefusedAddress(address, { allowLoopback: false })).toBe(false);
});
