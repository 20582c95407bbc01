import { errorCode, publicError } from '../errors.ts';

/** A problem document (RFC 9457) with our stable code. */
export interface Problem {
  status: number;
  code: string;
  title: string;
  [detail: string]: unknown;
}

export function sendProblem<
  Reply extends { code(status: number): Reply; type(type: string): Reply; send(body: unknown): Reply },
>(reply: Reply, problem: Problem): Reply {
  return reply
    .code(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', ...problem }));
}

/** Converts an error to the problem document that a client may see. */
export function toProblem(error: unknown, statusOf: (code: string) => number): Problem {
  const known = publicError(error);
  if (known) {
    const { code, message, retryable, details } = known;
    return { ...details, status: statusOf(code), code, title: message, ...(retryable && { retryable }) };
  }
  switch (errorCode(error)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { status: 413, code: 'REQUEST_TOO_LARGE', title: 'The request body is too large.' };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return {
        status: 415,
        code: 'BAD_USER_INPUT',
        title: 'This content type is not supported; send application/json.',
      };
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return { status: 400, code: 'BAD_USER_INPUT', title: 'The request body is not valid JSON.' };
  }
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, code: 'BAD_USER_INPUT', title: 'The request is not valid.' };
  return { status: 500, code: 'INTERNAL_SERVER_ERROR', title: 'Something went wrong on our side.' };
}
