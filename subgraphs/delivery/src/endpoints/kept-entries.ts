/**
 * Entries by key, limited in total and per owner. Beyond a limit, one entry is evicted: the least recently used one for
 * which `mayDelete` returns true. The limit per owner ensures that an owner with many entries evicts no entry of
 * another owner.
 */
export interface KeptEntries<Entry> {
  /** Returns an entry, which becomes the most recently used one. */
  use(key: string): Entry | undefined;
  /** Adds an entry for a key that has none. With a null `owner`, the limit per owner does not apply. */
  add(key: string, owner: string | null, entry: Entry): void;
  delete(key: string): void;
  values(): Iterable<Entry>;
}

export interface KeptEntriesOptions<Entry> {
  max: number;
  maxPerOwner: number;
  mayDelete(entry: Entry): boolean;
}

interface Kept<Entry> {
  entry: Entry;
  owner: string | null;
}

export function createKeptEntries<Entry>({
  max,
  maxPerOwner,
  mayDelete,
}: KeptEntriesOptions<Entry>): KeptEntries<Entry> {
  /** All entries, the least recently used first. The entries of each owner have the same order. */
  const all = new Map<string, Kept<Entry>>();
  const byOwner = new Map<string, Map<string, Kept<Entry>>>();

  const remove = (key: string) => {
    const kept = all.get(key);
    if (!kept) return;
    all.delete(key);
    if (kept.owner === null) return;
    const own = byOwner.get(kept.owner);
    own?.delete(key);
    if (own?.size === 0) byOwner.delete(kept.owner);
  };
  const append = (key: string, kept: Kept<Entry>) => {
    all.set(key, kept);
    if (kept.owner === null) return;
    const own = byOwner.get(kept.owner) ?? new Map();
    byOwner.set(kept.owner, own.set(key, kept));
  };
  const removeOldest = (entries: ReadonlyMap<string, Kept<Entry>>) => {
    for (const [key, { entry }] of entries) if (mayDelete(entry)) return remove(key);
  };

  return {
    use(key) {
      const kept = all.get(key);
      if (!kept) return undefined;
      remove(key);
      append(key, kept);
      return kept.entry;
    },
    add(key, owner, entry) {
      const own = owner === null ? undefined : byOwner.get(owner);
      if (own && own.size >= maxPerOwner) removeOldest(own);
      if (all.size >= max) removeOldest(all);
      append(key, { entry, owner });
    },
    delete: remove,
    *values() {
      for (const { entry } of all.values()) yield entry;
    },
  };
}
