import { CodedError } from '@voucher-gateway/platform/errors';
import { sendProblem } from '@voucher-gateway/platform/http/problem';
import { refuseInvalidText } from '@voucher-gateway/platform/http/server';
import { type PublicErrorCode, statusOf } from '@voucher-gateway/schema/error-codes';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError } from 'graphql';
import { z } from 'zod';
import { readRetryAfter } from '../transports/retry-after.ts';

/** Executes an operation like `/graphql`, with the request's identity. */
export type RunOperation = (
  request: FastifyRequest,
  reply: FastifyReply,
  query: string,
  variables: Record<string, unknown>,
) => Promise<{ data?: unknown; errors?: readonly GraphQLFormattedError[] }>;

const user = 'id username phoneNumber';
const voucherRequest = 'id status message phoneNumber requestedAt expectedBy cursor failureReason';
const voucher = 'id requestId code status phoneNumber requestedAt receivedAt';
const operations = {
  signUp: `mutation RestSignUp($input: SignUpInput!) { signUp(input: $input) { token expiresAt user { ${user} } } }`,
  signIn: `mutation RestSignIn($input: SignInInput!) { signIn(input: $input) { token expiresAt user { ${user} } } }`,
  requestVoucher: `mutation RestRequestVoucher($input: RequestVoucherInput!) { requestVoucher(input: $input) { ${voucherRequest} } }`,
  purchasedVouchers: `query RestPurchasedVouchers($phoneNumber: String, $first: Int, $after: String) {
    purchasedVouchers(phoneNumber: $phoneNumber, first: $first, after: $after) {
      nodes { ${voucher} } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`,
} as const;

const text = z.string({ error: ({ input }) => (input === undefined ? 'is missing' : 'must be a text') });
const jsonObject = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.object(shape, { error: 'must be a JSON object, such as {"username": "ann"}' });
const signUpBody = jsonObject({ username: text, phoneNumber: text, password: text });
const signInBody = jsonObject({ username: text, password: text });
/**
 * Decoding a query string turns an unencoded plus into a space. No phone number starts with a space, so a leading space
 * is turned back into a plus.
 */
const phoneNumber = text.transform((value) => value.replace(/^ (?=\d)/, '+')).optional();
const noQuery = z.strictObject({});
const requestQuery = z.strictObject({ phoneNumber, callbackUrl: text.optional() });
const listQuery = z.strictObject({
  phoneNumber,
  first: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .optional(),
  after: text.optional(),
});

/** Maximum length of an unknown parameter's name in the error message. */
const maxShownName = 64;

/**
 * Adds the operations as REST routes, for curl. Errors are RFC 9457 problem documents with the same codes as in
 * GraphQL.
 */
export function addRestRoutes(app: FastifyInstance, run: RunOperation): void {
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    operation: keyof typeof operations,
    variables: Record<string, unknown>,
    status: number,
  ) => {
    const { data, errors } = await run(request, reply, operations[operation], variables);
    const [error] = errors ?? [];
    if (error) return problem(reply, error);
    return reply.code(status).send((data as Record<string, unknown>)[operation]);
  };

  app.addHook('preValidation', refuseInvalidText);
  app.post('/user/sign-up', (request, reply) => {
    read(noQuery, request.query, 'query');
    return answer(request, reply, 'signUp', { input: read(signUpBody, request.body, 'body') }, 201);
  });
  app.post('/user/sign-in', (request, reply) => {
    read(noQuery, request.query, 'query');
    return answer(request, reply, 'signIn', { input: read(signInBody, request.body, 'body') }, 200);
  });
  app.post('/voucher', (request, reply) => {
    const input = read(requestQuery, request.query, 'query');
    const idempotencyKey = request.headers['idempotency-key'];
    return answer(
      request,
      reply,
      'requestVoucher',
      { input: { ...input, ...(idempotencyKey !== undefined && { idempotencyKey }) } },
      202,
    );
  });
  app.get('/voucher', (request, reply) =>
    answer(request, reply, 'purchasedVouchers', read(listQuery, request.query, 'query'), 200),
  );
}

function read<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? `the ${what} takes no ${issue.keys.map((key) => JSON.stringify(key.slice(0, maxShownName))).join(', ')}`
      : `${issue.path.join('.') || `the ${what}`} ${issue.message}`,
  );
  const [first] = parsed.error.issues;
  const argument = first?.code === 'unrecognized_keys' ? first.keys[0]?.slice(0, maxShownName) : first?.path.join('.');
  throw new CodedError<PublicErrorCode>('BAD_USER_INPUT', `${faults.join('; ')}.`, {
    details: argument ? { argument } : {},
  });
}

function problem(reply: FastifyReply, error: GraphQLFormattedError) {
  const { message, extensions } = error;
  const retryAfterSeconds = readRetryAfter([error]);
  if (retryAfterSeconds !== null) reply.header('retry-after', retryAfterSeconds);
  const { code = 'INTERNAL_SERVER_ERROR', retryable, argument, serviceName: _serviceName } = extensions ?? {};
  return sendProblem(reply, {
    status: statusOf(String(code)),
    code: String(code),
    title: message,
    // `argument` is the path of the GraphQL argument. The path's prefix `input.` is removed, because REST has no input
    // object.
    ...(argument !== undefined && { argument: String(argument).replace(/^input\./, '') }),
    ...(retryable !== undefined && { retryable }),
    ...(retryAfterSeconds !== null && { retryAfterSeconds }),
  });
}
