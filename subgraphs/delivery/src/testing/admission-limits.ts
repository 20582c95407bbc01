import { z } from 'zod';
import type { AdmissionLimits } from '../endpoints/admission.ts';
import { admissionLimitsOf, endpointSettings } from '../endpoints/settings.ts';

/** Returns the default limits, with some of them replaced. */
export function testLimits(values: Partial<AdmissionLimits> = {}): AdmissionLimits {
  return { ...admissionLimitsOf(z.object(endpointSettings).parse({})), ...values };
}
