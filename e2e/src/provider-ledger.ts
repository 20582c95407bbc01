import type { System } from './system.ts';

/** An order in the simulated provider's ledger, against which codes are checked. */
export interface LedgerEntry {
  key: string | null;
  voucherCode: string;
  delivered: boolean;
}

/** Reads the whole ledger. */
export async function readOrders({ vpsUrl }: System): Promise<LedgerEntry[]> {
  return ((await (await fetch(`${vpsUrl}/control/ledger`)).json()) as { orders: LedgerEntry[] }).orders;
}

/** Finds the order of a request. The order has the request's id as its Idempotency-Key. Throws if there are several. */
export function findOrder(orders: readonly LedgerEntry[], requestId: string): LedgerEntry | undefined {
  const mine = orders.filter(({ key }) => key === requestId);
  if (mine.length > 1) throw new Error(`the provider has ${mine.length} orders for one request`);
  return mine[0];
}

export async function ledgerEntry(system: System, requestId: string): Promise<LedgerEntry | undefined> {
  return findOrder(await readOrders(system), requestId);
}
