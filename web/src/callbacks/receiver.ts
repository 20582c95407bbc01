/** A request that the built-in receiver has stored. */
export interface ReceivedRequest {
  at: string;
  headers: Record<string, string>;
  body: string;
}

const storageKey = 'voucher-gateway:receiver';

/** The id of this tab's receiver. Whoever knows it can read what was posted there. */
function receiverId(): string {
  const stored = sessionStorage.getItem(storageKey);
  if (stored) return stored;
  const id = crypto.randomUUID();
  sessionStorage.setItem(storageKey, id);
  return id;
}

/** The URL that callbacks are posted to. */
export function receiverUrl(): string {
  return `${location.origin}/receivers/${receiverId()}`;
}

/** Reads what the receiver has stored, newest first. Throws if the gateway does not answer. */
export async function readReceived(signal: AbortSignal): Promise<ReceivedRequest[]> {
  const response = await fetch(receiverUrl(), { signal, headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
  return ((await response.json()) as { requests: ReceivedRequest[] }).requests;
}
