import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests of whole systems take longest, in the smallest files: started last, each would run on alone. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isOfWholeSystem = ({ moduleId }: TestSpecification) => moduleId.includes('/e2e/src/');
    return [...sorted.filter(isOfWholeSystem), ...sorted.filter((file) => !isOfWholeSystem(file))];
  }
}
