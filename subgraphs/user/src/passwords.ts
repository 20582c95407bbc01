import { hash, verify } from '@node-rs/argon2';

/** `Algorithm.Argon2id`: a const enum, which isolated modules can't read. */
const argon2id = 2;
/** OWASP's parameters for argon2id: 19 MiB, two passes, one lane. */
const options = { algorithm: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export interface Passwords {
  hash(password: string): Promise<string>;
  /** False for a wrong password, and, after the same work, where there is no hash. */
  verify(passwordHash: string | null, password: string): Promise<boolean>;
}

/** argon2id, `concurrency` at a time: each takes 19 MiB, and a burst of sign-ins must not take all memory. */
export async function createPasswords({ concurrency = 4 }: { concurrency?: number } = {}): Promise<Passwords> {
  const waiting: (() => void)[] = [];
  let running = 0;
  const limited = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= concurrency) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
  const nobody = await hash('the hash of nobody, so that an unknown user takes as long as a wrong password', options);
  return {
    hash: (password) => limited(() => hash(password, options)),
    verify: async (passwordHash, password) => {
      const matches = await limited(() => verify(passwordHash ?? nobody, password));
      return matches && passwordHash !== null;
    },
  };
}
