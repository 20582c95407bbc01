import { dateTimeScalar } from '@voucher-gateway/platform/date-time';
import { CodedError } from '@voucher-gateway/platform/errors';
import type { Identity } from '@voucher-gateway/platform/identity';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import type DataLoader from 'dataloader';
import type { Sessions } from './sessions.ts';
import type { Caller, User, Users } from './users.ts';

export interface UserContext {
  /** Who asks: null when signed out. Throws UNAUTHENTICATED for a bad token, only once it is asked for. */
  identity(): Promise<Identity | null>;
  users: DataLoader<string, User | null>;
  /** Who signs up or in. */
  caller: Caller;
}

export function createResolvers({ users, sessions }: { users: Users; sessions: Sessions }) {
  /** By request, the user who has signed up or in with it. */
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
        const user = await users.signUp(input, context.caller);
        return signedIn(user, context);
      },
      async signIn(_: unknown, { input }: { input: { username: string; password: string } }, context: UserContext) {
        return signedIn(await users.signIn(input, context.caller), context);
      },
      async signOut(_: unknown, _args: unknown, context: UserContext) {
        const identity = await context.identity();
        return identity ? sessions.end(identity) : false;
      },
    },
    User: {
      __resolveReference: ({ id }: { id: string }, context: UserContext) => context.users.load(id),
      async phoneNumber(user: User, _args: unknown, context: UserContext) {
        // Whoever has just signed up or in is their own, with no token yet.
        if (ownUsers.get(context) === user.id) return user.phoneNumber;
        const identity = await context.identity();
        if (identity?.userId !== user.id)
          throw new CodedError<PublicErrorCode>('FORBIDDEN', 'This phone number is not yours.');
        return user.phoneNumber;
      },
    },
  };

  async function signedIn(user: User, context: UserContext) {
    const session = await sessions.begin(user);
    ownUsers.set(context, user.id);
    return { ...session, user };
  }
}
