import type { Transaction } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { dateTimeScalar } from '@voucher-gateway/platform/graphql/date-time';
import type { Identity } from '@voucher-gateway/platform/identity/token-verifier';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type DataLoader from 'dataloader';
import type { Sessions } from './sessions.ts';
import type { Caller, User, Users } from './users.ts';

export interface UserContext {
  /** Verifies the caller's token; null for an anonymous request. Throws UNAUTHENTICATED if the token is invalid. */
  identity(): Promise<Identity | null>;
  users: DataLoader<string, User | null>;
  /** The client that signs up or in. */
  caller: Caller;
}

export function createResolvers({ users, sessions }: { users: Users; sessions: Sessions }) {
  /** Id of the user who signs up or in with a request, by the context of the request. */
  const ownUsers = new WeakMap<UserContext, string>();
  return {
    DateTime: dateTimeScalar,
    Query: {
      async me(_: unknown, _args: unknown, context: UserContext) {
        const identity = await context.identity();
        return identity && context.users.load(identity.userId);
      },
    },
    Mutation: {
      async signUp(
        _: unknown,
        { input }: { input: { username: string; phoneNumber: string; password: string } },
        context: UserContext,
      ) {
        const user = await users.prepareSignUp(input, context.caller);
        const payload = await beginSession(user, context, (tx) => users.add(tx, user));
        await users.rememberAddress(user, context.caller);
        return payload;
      },
      async signIn(_: unknown, { input }: { input: { username: string; password: string } }, context: UserContext) {
        return beginSession(await users.signIn(input, context.caller), context);
      },
      async signOut(_: unknown, _args: unknown, context: UserContext) {
        const identity = await context.identity();
        return identity ? sessions.end(identity) : false;
      },
    },
    User: {
      __resolveReference: ({ id }: { id: string }, context: UserContext) => context.users.load(id),
      async phoneNumber(user: User, _args: unknown, context: UserContext) {
        // A user who signs up or in with this request has no token yet.
        if (ownUsers.get(context) === user.id) return user.phoneNumber;
        const identity = await context.identity();
        if (identity?.userId !== user.id)
          throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.');
        return user.phoneNumber;
      },
    },
  };

  async function beginSession(user: User, context: UserContext, addUser?: (tx: Transaction) => Promise<void>) {
    const session = await sessions.begin(user, addUser);
    ownUsers.set(context, user.id);
    return { ...session, user };
  }
}
