import type { RequestSummaryFragment } from '../graphql/generated.ts';

/** Returns why there is no voucher, and what the user can do about it. */
export function failureOf({ failureReason, message }: Pick<RequestSummaryFragment, 'failureReason' | 'message'>): {
  text: string;
  advice: string;
} {
  const noVoucher = 'You were not given a voucher.';
  switch (failureReason) {
    case 'PROVIDER_REFUSED':
      return {
        text: `The provider refused this request. ${noVoucher}`,
        advice: 'Request another one. If that is refused, too, try again later.',
      };
    case 'PROVIDER_UNAVAILABLE':
      return {
        text: `The provider could not be reached in time. ${noVoucher}`,
        advice: 'Request another one later.',
      };
    case 'PROVIDER_SILENT':
      return {
        text: `The provider did not send the code in time. ${noVoucher}`,
        advice: 'Request another one later.',
      };
    default:
      return { text: `${message} ${noVoucher}`, advice: 'Request another one.' };
  }
}
