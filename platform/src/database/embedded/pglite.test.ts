import { describe, expect, it } from 'vitest';
import { databaseContract } from '../../testing/contract/database.ts';
import { openTestDatabase } from '../../testing/database.ts';

describe('the database port on PGlite', () => {
  databaseContract(() => openTestDatabase());

  it('rejects use of the raw client inside a transaction', async () => {
    await using database = await openTestDatabase();
    await database.transaction(async () => {
      expect(() => database.client.query('select 1')).toThrow(expect.objectContaining({ code: 'NESTED_DATABASE_USE' }));
    });
  });
});
