import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take long, although they are small: tests of whole systems, contract suites, and tests that wait for
 * time-outs.
 */
const longest =
  /\/e2e\/src\/|\/(embedded\/topics|sms\/status-callbacks|voucher-integration\/src\/retry|resume\/reconnects|endpoints\/isolation|attempts\/(killed|recovery)|planning\/planner)\.test\.ts$/;

/**
 * Starts the slowest test files first. If they were last, one would run alone at the end, while the other workers are
 * idle.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => longest.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
