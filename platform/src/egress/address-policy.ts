import ipaddr from 'ipaddr.js';

/** Decides which addresses may be called although they are not public. It applies to URLs that clients supply. */
export interface AddressPolicy {
  allowLoopback: boolean;
  /** Ranges of private addresses that may be called, in CIDR notation such as `10.1.0.0/16`. */
  privateRanges: readonly string[];
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Addresses of clouds' metadata services. They are refused even if their range is allowed. */
const metadataAddresses = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254']);
/** The range of public IPv6 addresses. */
const globalIpv6 = '2000::/3';
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'];

const kinds: Readonly<Record<string, string>> = {
  loopback: 'a loopback address: the machine that calls, not yours',
  private: 'an address of a private network',
  uniqueLocal: 'an address of a private network',
  carrierGradeNat: 'an address of a private network',
  linkLocal: 'a link-local address',
  unspecified: 'the unspecified address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  rfc6052: 'an IPv4 address inside an IPv6 address',
  rfc6145: 'an IPv4 address inside an IPv6 address',
  '6to4': 'an IPv4 address inside an IPv6 address',
  teredo: 'an IPv4 address inside an IPv6 address',
};

/**
 * Returns why an address must not be called, as the end of a sentence; null if it may be called. Public unicast
 * addresses may be called.
 *
 * @param address IPv4 or IPv6; an IPv4-mapped IPv6 address is treated as IPv4
 */
export function addressRefusal(address: string, { allowLoopback, privateRanges }: AddressPolicy): string | null {
  if (!ipaddr.isValid(address)) return 'no IP address';
  const parsed = ipaddr.process(address);
  if (metadataAddresses.has(parsed.toString())) return 'the address of a metadata service';
  const range = parsed.range();
  if (range === 'loopback' && allowLoopback) return null;
  if (privateRanges.some((cidr) => isWithin(parsed, cidr))) return null;
  const isPublic = range === 'unicast' && (parsed.kind() === 'ipv4' || isWithin(parsed, globalIpv6));
  return isPublic ? null : (kinds[range] ?? 'a reserved address');
}

export function isLoopbackAddress(address: string): boolean {
  return ipaddr.process(address).range() === 'loopback';
}

/** Whether a text is a range of private addresses in CIDR notation. */
export function isPrivateRange(cidr: string): boolean {
  if (!ipaddr.isValidCIDR(cidr)) return false;
  const [address, length] = ipaddr.parseCIDR(cidr);
  return privateNetworks.some((network) => length >= Number(network.split('/')[1]) && isWithin(address, network));
}

function isWithin(address: Address, cidr: string): boolean {
  const [network, length] = ipaddr.parseCIDR(cidr);
  return network.kind() === address.kind() && address.match([network, length]);
}
