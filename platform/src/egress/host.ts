import { isIP } from 'node:net';

/** Returns the address if a URL's host is an IP address (IPv6 without brackets); null if the host is a name. */
export function literalOf(hostname: string): string | null {
  const literal = hostname.replace(/^\[|\]$/g, '');
  return isIP(literal) ? literal : null;
}

/** Returns a host's name in lower case, without the final dot. */
export function nameOf(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, '');
}

/** Whether a name, in the form of `nameOf`, is this domain or one of its subdomains. */
export function isIn(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}
