/** Runs the repository detectors; a defect in one is a gap in the coverage and does not stop the others. */
import { MissingRange } from '../../../artifact/byte-source.ts';
import { toScanError } from '../../../errors.ts';
import type { NotCovered } from '../../../evidence/evidence.ts';
import type { FileEvidence } from '../../../evidence/file.ts';
import type { Inspection } from '../inspect.ts';
import type { Repository, RepositoryDetector } from '../repository-detector.ts';
import { REPOSITORY_DETECTORS } from './registry.ts';

export function inspectRepository(
  repository: Repository,
  detectors: readonly RepositoryDetector[] = REPOSITORY_DETECTORS,
): Inspection {
  const evidence: FileEvidence[] = [];
  const notCovered: NotCovered[] = [];
  for (const detector of detectors) {
    try {
      detector.inspect(repository, {
        evidence: (fact) => void evidence.push(fact),
        notCovered: (item) => void notCovered.push(item),
      });
    } catch (thrown) {
      if (thrown instanceof MissingRange) throw thrown;
      const error = toScanError(thrown);
      notCovered.push({
        what: `${repository.pathOf('')} (${detector.name})`,
        why: `${error.code}: ${error.message}`,
      });
    }
  }
  return { evidence, notCovered };
}
