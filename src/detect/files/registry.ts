/** The file detectors in the order they run. Add one import and one line here; nothing else knows them. */
import { archiveDetector } from './archive/archive-detector.ts';
import { compressedDetector } from './archive/compressed-detector.ts';
import { unopenedDetector } from './archive/unopened-detector.ts';
import type { FileDetector } from './detector.ts';
import { FORMAT_DETECTORS } from './formats.ts';
import { hydraTargetDetector } from './hydra-targets.ts';
import { knownBadDetector } from './known-bad.ts';
import { lfsPointerDetector } from './lfs-pointer.ts';
import { pickleDetector } from './pickle/pickle-detector.ts';
import { secretDetector } from './secrets.ts';
import { chatTemplateDetector } from './template/detector.ts';

export const FILE_DETECTORS: readonly FileDetector[] = [
  ...FORMAT_DETECTORS,
  archiveDetector,
  compressedDetector,
  unopenedDetector,
  pickleDetector,
  chatTemplateDetector,
  hydraTargetDetector,
  lfsPointerDetector,
  secretDetector,
  knownBadDetector,
];
