import fc from 'fast-check';
import { expect, it } from 'vitest';
import { answerSchema, challengeOf, lateCallbackSchema } from './vps-protocol.ts';

const codeVerifier = 'a'.repeat(43);
const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }));

it('vps protocol: accepts only codes of 1 to 256 printable ASCII characters', () => {
  fc.assert(
    fc.property(texts, (voucherCode) => {
      const isCode = /^[\x20-\x7e]+$/.test(voucherCode) && voucherCode.length <= 256;
      expect(answerSchema.safeParse({ status: 'SUCCESS', voucherCode }).success).toBe(isCode);
      expect(lateCallbackSchema.safeParse({ codeVerifier, status: 'SUCCESS', voucherCode }).success).toBe(isCode);
    }),
    { numRuns: 300, examples: [['a\n'], ['\0'], ['\x7f'], ['a'.repeat(256)], ['a'.repeat(257)], ['']] },
  );
});

it('vps protocol: accepts only valid responses and callbacks, and never throws', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      expect(answerSchema.safeParse(value).success).toBe(false);
      expect(lateCallbackSchema.safeParse(value).success).toBe(false);
    }),
    { numRuns: 300 },
  );
});

it('vps protocol: the challenge of every valid verifier is valid', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[\w.~-]{43,128}$/), (verifier) => {
      const callback = { codeVerifier: verifier, status: 'LATE_SUCCESS', voucherCode: 'VC-1' };
      const answer = { codeChallenge: challengeOf(verifier), transformMethod: 'S256' };
      expect(lateCallbackSchema.safeParse(callback).success).toBe(true);
      expect(answerSchema.safeParse(answer).success).toBe(true);
    }),
    { numRuns: 100 },
  );
});
