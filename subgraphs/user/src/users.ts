import { randomUUID } from 'node:crypto';
import { type Database, violatedUnique } from '@voucher-gateway/platform/database';
import { CodedError } from '@voucher-gateway/platform/errors';
import { toE164 } from '@voucher-gateway/platform/phone-number';
import type { PublicErrorCode } from '@voucher-gateway/schema/error-codes';
import { eq, inArray } from 'drizzle-orm';
import type { Passwords } from './passwords.ts';
import { bankUser } from './tables.ts';

export type User = Pick<typeof bankUser.$inferSelect, 'id' | 'username' | 'phoneNumber'>;

export interface Users {
  /**
   * Makes a user.
   * @throws CodedError BAD_USER_INPUT, PHONE_NUMBER_INVALID, USERNAME_TAKEN, PHONE_NUMBER_TAKEN
   */
  signUp(input: { username: string; phoneNumber: string; password: string }): Promise<User>;
  /** @throws CodedError INVALID_CREDENTIALS, the same for an unknown user and for a wrong password */
  signIn(input: { username: string; password: string }): Promise<User>;
  /** Users by id, null for an unknown one, in the order asked. */
  byIds(ids: readonly string[]): Promise<(User | null)[]>;
}

const shape = { id: bankUser.id, username: bankUser.username, phoneNumber: bankUser.phoneNumber };

export function createUsers({
  database,
  passwords,
  region,
}: {
  database: Database;
  passwords: Passwords;
  region: string;
}): Users {
  return {
    async signUp({ username, phoneNumber, password }) {
      if (!/^[\p{L}\p{N}._-]{3,64}$/u.test(username))
        throw badInput('input.username', 'A username has 3 to 64 letters, digits, dots, dashes or underscores.');
      if (password.length < 7 || password.length > 256)
        throw badInput('input.password', 'A password has 7 to 256 characters.');
      const e164 = toE164(phoneNumber, region);
      if (!e164) {
        throw new CodedError<PublicErrorCode>('PHONE_NUMBER_INVALID', 'This is not a valid phone number.', {
          details: { argument: 'input.phoneNumber' },
        });
      }
      const passwordHash = await passwords.hash(password);
      const user = {
        id: randomUUID(),
        username,
        usernameKey: keyOf(username),
        phoneNumber: e164,
        passwordHash,
        createdAt: new Date(database.now()),
      };
      try {
        const [row] = await database.query.insert(bankUser).values(user).returning(shape);
        if (!row) throw new Error('no row came back');
        return row;
      } catch (error) {
        throw taken(error);
      }
    },
    async signIn({ username, password }) {
      const [row] = await database.query
        .select()
        .from(bankUser)
        .where(eq(bankUser.usernameKey, keyOf(username)));
      // A password longer than any that was taken is not worth the work, but costs it all the same.
      const matches = await passwords.verify(row?.passwordHash ?? null, password.slice(0, 257));
      if (!row || !matches)
        throw new CodedError<PublicErrorCode>('INVALID_CREDENTIALS', 'The username or the password is wrong.');
      return { id: row.id, username: row.username, phoneNumber: row.phoneNumber };
    },
    async byIds(ids) {
      const known = ids.filter((id) => /^[0-9a-f-]{36}$/i.test(id));
      const rows =
        known.length > 0 ? await database.query.select(shape).from(bankUser).where(inArray(bankUser.id, known)) : [];
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id.toLowerCase()) ?? null);
    },
  };
}

function keyOf(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}

function badInput(argument: string, message: string): CodedError<PublicErrorCode> {
  return new CodedError<PublicErrorCode>('BAD_USER_INPUT', message, { details: { argument } });
}

/** Which of the two is taken; the index that was violated tells. */
function taken(error: unknown): unknown {
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
