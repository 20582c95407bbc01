import { isIP } from 'node:net';

/** The address that a URL's host is literally, an IPv6 one without its brackets; null for a name. */
export function literalOf(hostname: string): string | null {
  const literal = hostname.replace(/^\[|\]$/g, '');
  return isIP(literal) ? literal : null;
}

/** A host's name in lower case, without the final dot. */
export function nameOf(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, '');
}

/** Whether a name, in the form of `nameOf`, is a domain or below it. */
export function isIn(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}
