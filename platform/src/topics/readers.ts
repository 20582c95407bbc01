/** The consumers and tails that are open, so that closing the port closes them. */
export interface Readers extends AsyncDisposable {
  /** Takes a reader in; disposing what it answers closes the reader, once. */
  keep<T extends AsyncDisposable>(reader: T): T;
}

export function createReaders(): Readers {
  const open = new Set<AsyncDisposable>();
  return {
    keep: (reader) => {
      open.add(reader);
      return {
        ...reader,
        async [Symbol.asyncDispose]() {
          if (open.delete(reader)) await reader[Symbol.asyncDispose]();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...open].map((reader) => reader[Symbol.asyncDispose]()));
    },
  };
}
