import type { CombinedError } from '@urql/core';

/** A failed operation, as the page shows it. */
export interface OperationError {
  /** The server's stable code; `NETWORK` if there was no answer. */
  code: string;
  message: string;
  /** The input field that is wrong, such as `callbackUrl`. */
  field: string | null;
  /** What the user can do about the error. */
  advice: string | null;
}

/** `LoadNotice` does not show this advice, because the notice has a button “Try again”. */
export const tryAgain = 'Try again in a moment.';

const advice: Record<string, string> = {
  NETWORK: 'Check the connection, then try again.',
  RATE_LIMITED: 'Wait a moment, then try again.',
  USERNAME_TAKEN: 'Choose another username, or sign in if it is yours.',
  PHONE_NUMBER_TAKEN: 'Sign in with the account that has this number.',
  PHONE_NUMBER_INVALID: 'Write it with country code, e.g. +84 90 123 4567.',
  INVALID_CREDENTIALS: 'Sign up if you have no account yet.',
  SUBGRAPH_UNAVAILABLE: tryAgain,
  SESSION_STORE_UNAVAILABLE: 'Sign-ins can’t be checked at the moment.',
  SERVICE_UNAVAILABLE: tryAgain,
};

/** Returns the first error of an operation. */
export function operationErrorOf(error: CombinedError): OperationError {
  const [first] = error.graphQLErrors;
  if (!first)
    return { code: 'NETWORK', message: 'The gateway did not answer.', field: null, advice: advice.NETWORK ?? null };
  const { code, argument } = first.extensions as { code?: string; argument?: string };
  return {
    code: code ?? 'INTERNAL_SERVER_ERROR',
    message: first.message,
    field: argument?.replace(/^input\./, '') ?? null,
    advice: advice[code ?? ''] ?? null,
  };
}

/** Whether an error says that the session has ended. */
export function endsSession(error: CombinedError): boolean {
  return error.graphQLErrors.some(({ extensions }) =>
    ['SESSION_EXPIRED', 'UNAUTHENTICATED'].includes(String(extensions.code)),
  );
}
