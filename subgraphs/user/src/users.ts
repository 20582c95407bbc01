import { randomUUID } from 'node:crypto';
import { type Database, type Transaction, violatedUnique } from '@voucher-gateway/platform/database';
import { isUuid } from '@voucher-gateway/platform/database/columns';
import { CodedError } from '@voucher-gateway/platform/errors';
import { toE164 } from '@voucher-gateway/platform/identity/phone-number';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { eq, inArray } from 'drizzle-orm';
import type { AttemptLimits } from './attempt-limits.ts';
import type { Passwords } from './passwords.ts';
import { bankUser } from './tables.ts';
import { usernameKey } from './username-key.ts';

export type User = Pick<typeof bankUser.$inferSelect, 'id' | 'username' | 'phoneNumber'>;

/** A user who is not stored yet. */
export type NewUser = typeof bankUser.$inferInsert & User;

export interface Users {
  /**
   * Validates a sign-up and hashes its password. Stores nothing.
   * @throws CodedError BAD_USER_INPUT, PHONE_NUMBER_INVALID; RATE_LIMITED, SERVICE_UNAVAILABLE,
   *   SESSION_STORE_UNAVAILABLE (all retryable)
   */
  prepareSignUp(input: { username: string; phoneNumber: string; password: string }, caller: Caller): Promise<NewUser>;
  /**
   * Stores a user. Does nothing if a user with the same id is already stored.
   * @throws CodedError USERNAME_TAKEN, PHONE_NUMBER_TAKEN
   */
  add(tx: Transaction, user: NewUser): Promise<void>;
  /** Remembers that the user has signed up or in from this address. Never throws. */
  rememberAddress(user: User, caller: Caller): Promise<void>;
  /**
   * @throws CodedError INVALID_CREDENTIALS, the same for an unknown user and for a wrong password; RATE_LIMITED,
   *   SERVICE_UNAVAILABLE, SESSION_STORE_UNAVAILABLE (all retryable)
   */
  signIn(input: { username: string; password: string }, caller: Caller): Promise<User>;
  /** Returns the users in the order of the ids; null for an unknown id. */
  byIds(ids: readonly string[]): Promise<(User | null)[]>;
}

/** A client that signs up or in. */
export interface Caller {
  /** The client's address, grouped as rate limits count it (`groupAddress`): an IPv6 address by its /64. */
  address: string;
  /** Aborts when the request has ended. */
  signal: AbortSignal;
}

const shape = { id: bankUser.id, username: bankUser.username, phoneNumber: bankUser.phoneNumber };

export function createUsers({
  database,
  passwords,
  limits,
  region,
}: {
  database: Database;
  passwords: Passwords;
  limits: AttemptLimits;
  region: string;
}): Users {
  return {
    async prepareSignUp({ username, phoneNumber, password }, { address, signal }) {
      if (!isUsername(username))
        throw badInput('input.username', 'A username has 3 to 64 letters, digits, dots, dashes or underscores.');
      if (!isPassword(password)) throw badInput('input.password', 'A password has 7 to 256 characters.');
      const e164 = toE164(phoneNumber, region);
      if (!e164) {
        throw new CodedError<PublicErrorCode>('PHONE_NUMBER_INVALID', 'This is not a valid phone number.', {
          details: { argument: 'input.phoneNumber' },
        });
      }
      await limits.countSignUp(address);
      const passwordHash = await passwords.hash(password, signal);
      return {
        id: randomUUID(),
        username,
        usernameKey: usernameKey(username),
        phoneNumber: e164,
        passwordHash,
        createdAt: new Date(database.now()),
      };
    },
    async add(tx, user) {
      try {
        await tx.insert(bankUser).values(user).onConflictDoNothing({ target: bankUser.id });
      } catch (error) {
        throw toTakenError(error);
      }
    },
    rememberAddress: ({ username }, { address }) =>
      limits.rememberAddress({ usernameKey: usernameKey(username), address }),
    async signIn({ username, password }, { address, signal }) {
      await limits.countSignIn(address);
      // No user has an invalid name or password. So the password is not compared with a stored hash.
      if (!isUsername(username) || !isPassword(password)) throw invalidCredentials();
      const attempt = { usernameKey: usernameKey(username), address };
      const user = await limits.countFailure(attempt, async () => {
        const [row] = await database.query.select().from(bankUser).where(eq(bankUser.usernameKey, attempt.usernameKey));
        const matches = await passwords.verify(row?.passwordHash ?? null, password, signal);
        if (!row || !matches) throw invalidCredentials();
        return { id: row.id, username: row.username, phoneNumber: row.phoneNumber };
      });
      await limits.rememberAddress(attempt);
      return user;
    },
    async byIds(ids) {
      const valid = ids.filter(isUuid);
      const rows =
        valid.length > 0 ? await database.query.select(shape).from(bankUser).where(inArray(bankUser.id, valid)) : [];
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id.toLowerCase()) ?? null);
    },
  };
}

function isUsername(text: string): boolean {
  return /^[\p{L}\p{N}._-]{3,64}$/u.test(text);
}

function isPassword(text: string): boolean {
  return text.length >= 7 && text.length <= 256;
}

function invalidCredentials(): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('INVALID_CREDENTIALS', 'The username or the password is wrong.');
}

function badInput(argument: string, message: string): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('BAD_USER_INPUT', message, { details: { argument } });
}

/**
 * Converts the error of a violated unique index to USERNAME_TAKEN or PHONE_NUMBER_TAKEN; returns any other error
 * unchanged.
 */
function toTakenError(error: unknown): unknown {
  switch (violatedUnique(error)) {
    case 'bank_user_username':
      return new CodedError<PublicErrorCode>('USERNAME_TAKEN', 'This username is taken.', {
        details: { argument: 'input.username' },
      });
    case 'bank_user_phone_number':
      return new CodedError<PublicErrorCode>('PHONE_NUMBER_TAKEN', 'This phone number is taken.', {
        details: { argument: 'input.phoneNumber' },
      });
    default:
      return error;
  }
}
