import type { System } from './system.ts';

/** What the simulated provider made for a request: the outside record that codes are checked against. */
export interface LedgerEntry {
  key: string | null;
  voucherCode: string;
  delivered: boolean;
}

/** The provider's entry for a request, by its Idempotency-Key. */
export async function ledgerEntry({ vpsUrl }: System, requestId: string): Promise<LedgerEntry | undefined> {
  const { orders } = (await (await fetch(`${vpsUrl}/control/ledger`)).json()) as { orders: LedgerEntry[] };
  const mine = orders.filter(({ key }) => key === requestId);
  if (mine.length > 1) throw new Error(`the provider made ${mine.length} codes for one request`);
  return mine[0];
}
