import { findInternal } from '@voucher-gateway/platform/testing/internals';
import { describe, expect, it } from 'vitest';
import { type AttackTable, attack } from './attack.ts';
import type { Target } from './target.ts';

/** Runs each table of attacks. After each attack, checks that the process still serves its other clients. */
export function describeAttacks(tables: readonly AttackTable[], targetOf: () => Target): void {
  describe.each(tables)('$boundary', ({ urlOf, attacks }) => {
    it.each(attacks)('$name', async (input) => {
      const { system } = targetOf();
      const answer = await attack(input, urlOf(system), system);
      const shown = answer.text.slice(0, 1_000);
      expect(findInternal(answer.text), shown).toBeNull();
      if (input.status === undefined) expect(answer.status ?? 0, shown).toBeLessThan(500);
      else expect(answer.status, shown).toBe(input.status);
      if (input.code !== undefined) expect(answer.text).toContain(`"${input.code}"`);
      if (input.closeCode !== undefined) expect(answer.closeCode, shown).toBe(input.closeCode);
    });

    it('does not affect the process and its other clients', async () => {
      await targetOf().expectUndisturbed();
      await targetOf().expectDelivery();
    });
  });
}
