/** The open consumers and tails, which are closed with the topics port. */
export interface Readers extends AsyncDisposable {
  /** Adds a reader, and returns a wrapper. Disposing the wrapper closes the reader, once. */
  track<T extends AsyncDisposable>(reader: T): T;
}

export function createReaders(): Readers {
  const open = new Set<AsyncDisposable>();
  return {
    track: (reader) => {
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
