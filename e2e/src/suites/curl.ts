import { randomInt } from 'node:crypto';

/** Options of curl. `method` is POST by default. */
export interface Curl {
  method?: 'GET' | 'POST';
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface CurlResponse {
  status: number;
  /** The media type of the response, without parameters. */
  type: string | undefined;
  json: Record<string, unknown>;
}

export type SendCurl = (request: Curl) => Promise<CurlResponse>;

export const jsonBody = { 'content-type': 'application/json' };

export async function sendCurl(
  gatewayUrl: string,
  { method = 'POST', path, headers = {}, body }: Curl,
): Promise<CurlResponse> {
  const response = await fetch(gatewayUrl + path, { method, headers, body });
  return {
    status: response.status,
    type: response.headers.get('content-type')?.split(';')[0],
    json: (await response.json()) as Record<string, unknown>,
  };
}

/** Returns a random phone number of Viet Nam without its country code. */
export function randomLocalNumber(): string {
  return `090${randomInt(1_000_000, 9_999_999)}`;
}
