/** What each of these clients does: calls `onVoucher` with each voucher once, in order, however often it is cut off. */
export interface WatchOptions {
  /** The gateway's `/graphql`. */
  url: string;
  token: string;
  /** The cursor to begin behind, such as `VoucherRequest.cursor`; null for what happens from now on. */
  after: string | null;
  onVoucher(voucher: Voucher, cursor: string): void;
  /** Called when it can't go on: the session has ended, or the operation is refused. */
  onEnd?(reason: unknown): void;
}

export interface Voucher {
  requestId: string;
  code: string;
}

export interface VoucherEvent {
  voucherReceived: { cursor: string; node: Voucher };
}

/** The cursor is selected: it is what to come back with. */
export const vouchers = /* GraphQL */ `
  subscription Vouchers($after: String) {
    voucherReceived(after: $after) { cursor node { requestId code } }
  }
`;
