import { request } from 'undici';

/** The outcome of one attempt of an operation. */
export type Outcome =
  // biome-ignore lint/suspicious/noExplicitAny: a caller reads what it asked for
  | { data: Record<string, any> }
  /** The client may retry: there was no response, or a retryable error. */
  | { retry: string }
  /** The session has ended, so that the client may retry after a sign-in. */
  | { signIn: string }
  | { refusal: string };

/** Time-out of a client, after which it retries at another gateway. */
const answerWithinMs = 10_000;
const sessionCodes: ReadonlySet<string> = new Set(['SESSION_EXPIRED', 'UNAUTHENTICATED']);

/** Posts an operation to a gateway, and classifies the response as a careful client would. */
export async function postOnce(
  gatewayUrl: string,
  query: string,
  variables: object,
  authorization?: string,
): Promise<Outcome> {
  try {
    const { statusCode, body } = await request(`${gatewayUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const answer = (await body.json()) as Answer;
    if (!answer.errors && !answer.data)
      return statusCode >= 500 || answer.retryable
        ? { retry: `HTTP ${statusCode}` }
        : { refusal: `HTTP ${statusCode}` };
    const { code = 'UNKNOWN', retryable } = answer.errors?.[0]?.extensions ?? {};
    if (answer.data && !answer.errors) return { data: answer.data };
    if (retryable === true) return { retry: code };
    return sessionCodes.has(code) ? { signIn: code } : { refusal: code };
  } catch (error) {
    return { retry: (error as Error).name };
  }
}

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { extensions?: { code?: string; retryable?: boolean } }[];
  /** Whether the client may retry. Only problem documents (RFC 9457) have this field, for example with status 408. */
  retryable?: boolean;
}
