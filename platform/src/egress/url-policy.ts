import { type AddressPolicy, addressRefusal, isLoopbackAddress } from './address-policy.ts';
import { isIn, literalOf, nameOf } from './host.ts';

/** Decides which of the URLs that clients supply may be called. */
export interface UrlPolicy extends AddressPolicy {
  ports: readonly PortRange[];
  httpsOnly: boolean;
}

export type PortRange = readonly [first: number, last: number];

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };
/** Domains that do not exist in the public DNS. @see the IANA registry "Special-Use Domain Names" */
const specialDomains = ['alt', 'arpa', 'example', 'invalid', 'local', 'onion', 'test'];
/** Domains of private networks. */
const privateDomains = ['internal', 'home.arpa', 'localdomain', 'lan', 'corp', 'home'];
/** Names of clouds' metadata services. */
const metadataNames = ['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal'];

/**
 * Returns why a URL must not be called, as a sentence; null if it may be called. The connector checks the addresses of
 * a host name, which are known only when the name is resolved.
 */
export function urlRefusal(url: URL, policy: UrlPolicy): string | null {
  const { protocol, username, password, port } = url;
  if (!(protocol in defaultPorts) || url.hostname === '') return 'It is not an http or https URL.';
  if (policy.httpsOnly && protocol !== 'https:') return 'It must be an https URL.';
  if (username !== '' || password !== '')
    return 'It contains a user or a password; verify the signature of callbacks instead.';
  const refusal = hostRefusal(url.hostname, policy);
  if (refusal !== null) return refusal;
  const number = port === '' ? (defaultPorts[protocol] ?? 0) : Number(port);
  const isAllowed = policy.ports.some(([first, last]) => number >= first && number <= last);
  // Loopback URLs, if they are allowed, may have any port, because developers use many ports.
  if (isAllowed || isLoopback(url.hostname)) return null;
  return `Port ${number} is not allowed; allowed are ${policy.ports.map(formatPorts).join(', ')}.`;
}

function hostRefusal(hostname: string, policy: UrlPolicy): string | null {
  const literal = literalOf(hostname);
  if (literal !== null) {
    const refusal = addressRefusal(literal, policy);
    return refusal && `${literal} is ${refusal}.`;
  }
  const name = nameOf(hostname);
  const isInOneOf = (domains: readonly string[]) => domains.some((domain) => isIn(name, domain));
  if (isInOneOf(metadataNames)) return `${name} is a metadata service.`;
  if (isLoopback(hostname)) return policy.allowLoopback ? null : `${name} is the machine that calls, not yours.`;
  const isPrivate = !name.includes('.') || isInOneOf(privateDomains);
  if (isPrivate) return policy.privateRanges.length > 0 ? null : `${name} is a name of a private network.`;
  return isInOneOf(specialDomains) ? `${name} is not a name of the public DNS.` : null;
}

function isLoopback(hostname: string): boolean {
  const literal = literalOf(hostname);
  return literal === null ? isIn(nameOf(hostname), 'localhost') : isLoopbackAddress(literal);
}

function formatPorts([first, last]: PortRange): string {
  return first === last ? String(first) : `${first} to ${last}`;
}
