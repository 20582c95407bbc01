import { failed, type SendResult } from '../../attempt-result.ts';

export interface Sms {
  deliveryId: string;
  /** Number of the delivery's attempt. */
  turn: number;
  /** The receiver's phone number, as E.164. */
  phoneNumber: string;
  text: string;
  /** When the delivery was planned. */
  createdAt: Date;
}

/** The SMS port: one adapter per provider. */
export interface SmsSender {
  /** Makes one attempt, within the time-out of attempts. `stop` aborts the attempt. Never rejects. */
  send(sms: Sms, stop: AbortSignal): Promise<SendResult>;
  /** Rejects while the provider refuses the operator's account. Default: the account is never refused. */
  ping?(): Promise<void>;
}

/** The sender for development. It sends nothing, and the delivery becomes SIMULATED. */
export const simulatedSms: SmsSender = { send: async () => ({ outcome: 'simulated' }) };

/** The sender for `SMS=off`. It sends nothing, and the delivery fails. */
export const noSms: SmsSender = { send: async () => failed('SMS_NOT_CONFIGURED', { final: true }) };
