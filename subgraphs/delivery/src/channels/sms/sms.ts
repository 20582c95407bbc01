import { failed, type SendResult } from '../../attempt-result.ts';

export interface Sms {
  deliveryId: string;
  /** Number of the attempt. */
  turn: number;
  /** E.164. */
  phoneNumber: string;
  text: string;
  /** When the delivery was planned. */
  createdAt: Date;
}

/** The SMS port: one adapter per provider. */
export interface SmsSender {
  /** Makes one attempt, within the time-out of attempts. Never rejects. `stop` aborts it. */
  send(sms: Sms, stop: AbortSignal): Promise<SendResult>;
  /** Rejects while the provider refuses the operator's account. Default: always accepted. */
  ping?(): Promise<void>;
}

/** The sender of development: it sends nothing, and the record says so. */
export const simulatedSms: SmsSender = { send: async () => ({ outcome: 'simulated' }) };

/** The sender of an operator that wants no SMS: the record says so. */
export const noSms: SmsSender = { send: async () => failed('SMS_NOT_CONFIGURED', { final: true }) };
