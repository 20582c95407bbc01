import type { System } from './system.ts';

/** An order in the simulated provider's ledger, against which codes are checked. */
export interface LedgerEntry {
  key: string | null;
  voucherCode: string;
  delivered: boolean;
}

/** The ledger entry of a request, whose id is the Idempotency-Key. */
export async function ledgerEntry({ vpsUrl }: System, requestId: string): Promise<LedgerEntry | undefined> {
  const { orders } = (await (await fetch(`${vpsUrl}/control/ledger`)).json()) as { orders: LedgerEntry[] };
  const mine = orders.filter(({ key }) => key === requestId);
  if (mine.length > 1) throw new Error(`the provider has ${mine.length} orders for one request`);
  return mine[0];
}
