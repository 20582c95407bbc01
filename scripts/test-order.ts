import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Sorts test files so that tests of whole systems start first. They take longest, and would otherwise run alone at the
 * end.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isOfWholeSystem = ({ moduleId }: TestSpecification) => moduleId.includes('/e2e/src/');
    return [...sorted.filter(isOfWholeSystem), ...sorted.filter((file) => !isOfWholeSystem(file))];
  }
}
