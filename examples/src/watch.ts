/** Options of each client. A client calls `onVoucher` once per voucher, in order, also after reconnects. */
export interface WatchOptions {
  /** URL of the gateway's `/graphql`. */
  url: string;
  token: string;
  /** The cursor after which events start, such as `VoucherRequest.cursor`; null for new vouchers only. */
  after: string | null;
  onVoucher(voucher: Voucher, cursor: string): void;
  /** Called when the client can't continue: the session has ended, or the operation was rejected. */
  onEnd?(reason: unknown): void;
}

export interface Voucher {
  requestId: string;
  code: string;
}

export interface VoucherEvent {
  voucherReceived: { cursor: string; node: Voucher };
}

/** The subscription. It selects the cursor, which is needed to resume. */
export const vouchers = /* GraphQL */ `
  subscription Vouchers($after: String) {
    voucherReceived(after: $after) { cursor node { requestId code } }
  }
`;
