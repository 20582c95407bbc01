interface Row {
  id: string;
}

/**
 * Returns the newest page of a list, with the codes that have arrived since the page was read. While many codes arrive,
 * each page is already out of date when it has been read.
 *
 * @param page newest first
 * @param timeOf the time by which the list is sorted (ISO 8601)
 */
export function withArrivals<Item extends Row>(
  page: readonly Item[],
  arrived: readonly Item[],
  timeOf: (item: Item) => string,
  pageSize: number,
): readonly Item[] {
  const known = new Set(page.map(({ id }) => id));
  const since = page[0] ? timeOf(page[0]) : '';
  const added = arrived.filter((item) => !known.has(item.id) && timeOf(item) >= since);
  if (added.length === 0) return page;
  const newestFirst = added.toReversed().sort((one, other) => Date.parse(timeOf(other)) - Date.parse(timeOf(one)));
  return [...newestFirst, ...page].slice(0, pageSize);
}
