/** Error codes that delivery adds to those of the platform. docs/errors.md documents them for operators. */
export const deliveryErrorCodes = ['CALLBACKS_UNAVAILABLE', 'SMS_ACCOUNT_REFUSED'] as const;
export type DeliveryErrorCode = (typeof deliveryErrorCodes)[number];
