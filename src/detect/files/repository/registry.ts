/** The repository detectors in the order they run. Add one import and one line here. */
import type { RepositoryDetector } from '../repository-detector.ts';
import { templateCopiesDetector } from '../template/copies.ts';
import { tokenizerDetector } from '../tokenizer/detector.ts';
import { autoMapDetector } from './auto-map.ts';
import { codeDetector } from './code.ts';
import { moduleReferenceDetector } from './module-references.ts';
import {
  adapterDetector,
  generationConfigDetector,
  linkDetector,
  requirementDetector,
  weightMapDetector,
} from './references.ts';

export const REPOSITORY_DETECTORS: readonly RepositoryDetector[] = [
  linkDetector,
  autoMapDetector,
  codeDetector,
  moduleReferenceDetector,
  weightMapDetector,
  adapterDetector,
  generationConfigDetector,
  requirementDetector,
  tokenizerDetector,
  templateCopiesDetector,
];
