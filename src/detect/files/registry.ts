/** The file detectors in the order they run. Add one import and one line here; nothing else knows them. */
import type { FileDetector } from './detector.ts';
import { chatTemplateDetector } from './template/detector.ts';
import { ggufDetector, safetensorsDetector } from './tensor-table.ts';

export const FILE_DETECTORS: readonly FileDetector[] = [
  safetensorsDetector,
  ggufDetector,
  chatTemplateDetector,
];
