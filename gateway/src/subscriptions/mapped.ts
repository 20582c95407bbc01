/**
 * A stream's values, each mapped before the next is read. Not an async generator function: the `return` of one
 * would wait for a `next` that waits for an event.
 *
 * @param onEnd called once, when the stream has ended or its reader has left
 */
export function mapped<From, To>(
  values: AsyncGenerator<From, void, void>,
  map: (value: From) => Promise<To>,
  onEnd: () => void = () => {},
): AsyncGenerator<To, void, void> {
  let hasEnded = false;
  const end = () => {
    if (!hasEnded) onEnd();
    hasEnded = true;
  };
  const leave = async () => {
    end();
    await values.return();
  };
  return {
    async next() {
      try {
        const read = await values.next();
        if (!read.done) return { done: false, value: await map(read.value) };
      } catch (error) {
        await leave();
        throw error;
      }
      end();
      return { done: true, value: undefined };
    },
    async return() {
      await leave();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await leave();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: leave,
  };
}
