import { AsyncLocalStorage } from 'node:async_hooks';
import { CodedError } from '../errors.ts';

/**
 * Creates a guard for one database. The guard detects code that runs inside a transaction. Work that a transaction
 * started may use the database after the transaction has ended.
 */
export function createNestedUseGuard() {
  const scopes = new AsyncLocalStorage<{ open: boolean }>();
  return {
    /** Throws NESTED_DATABASE_USE inside a transaction. */
    check(): void {
      if (scopes.getStore()?.open) {
        throw new CodedError('NESTED_DATABASE_USE', 'Inside a transaction only its own handle may be used.');
      }
    },
    async run<T>(work: () => Promise<T>): Promise<T> {
      const scope = { open: true };
      try {
        return await scopes.run(scope, work);
      } finally {
        scope.open = false;
      }
    },
  };
}
