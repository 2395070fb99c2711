/** Stage 1: every tensor read once as numbers, alone, against a base model, or as an adapter. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import { adapterSpectra } from '../detect/weights/adapters.ts';
import { census } from '../detect/weights/census.ts';
import { compareWithBase } from '../detect/weights/compare.ts';
import { rolesOf } from '../detect/weights/roles.ts';
import { ScanError, type SerializedError, serializeError, toScanError } from '../errors.ts';
import type { Evidence, NotCovered } from '../evidence/evidence.ts';
import { configBeside, tokenTextBeside } from '../model/model-files.ts';
import { isAdapterFolder, openAdapter } from '../model/weights/adapter.ts';
import type { StoredWeights } from '../model/weights/stored.ts';
import { openStored } from '../model/weights.ts';
import { ADAPTER_ALONE } from './model-class.ts';
import type { CancelSignal, ProgressEvent, StageOutcome, Target } from './stage.ts';

export interface WeightStageOptions {
  /** Folder or file of a base model to compare with. */
  readonly base?: string;
  readonly cancel?: CancelSignal;
  onProgress?(event: ProgressEvent): void;
}

/** Index tables and masks that models carry as integers. */
const BUFFER = /(position_ids|token_type_ids|attn\.bias|causal_mask|g_idx)$/;

interface Findings {
  readonly evidence: Evidence[];
  readonly notCovered: NotCovered[];
  readonly errors: SerializedError[];
}

/** A target without weights gives an empty outcome. */
export async function runWeightStage(
  target: Target,
  options: WeightStageOptions = {},
): Promise<StageOutcome> {
  const findings: Findings = { evidence: [], notCovered: [], errors: [] };
  try {
    if (target.kind !== 'file' && isAdapterFolder(target.root)) {
      readAdapter(target, options, findings);
      if (options.base === undefined) return { ...findings, tokens: 0, modelClass: ADAPTER_ALONE };
    } else {
      readWeights(target, options, findings);
    }
  } catch (thrown) {
    const error = toScanError(thrown, target.given);
    if (error.code === 'E_INTERRUPTED') {
      findings.notCovered.push({
        what: `${target.name}: weights`,
        why: `${error.code}: cancelled`,
      });
    } else if (error.code === 'E_NOTHING_TO_SCAN') {
      if (target.kind === 'model-folder') {
        findings.notCovered.push({
          what: `${target.name}: weights`,
          why: `${error.code}: ${error.message}`,
        });
      }
    } else {
      findings.errors.push(serializeError(error));
    }
  }
  return { ...findings, tokens: 0 };
}

function readWeights(target: Target, options: WeightStageOptions, findings: Findings): void {
  using weights = openStored(target.root);
  const roles = rolesOf(weights, configBeside(target.root));
  const context = {
    roles,
    pathOf: pathIn(target),
    tokenText: tokenTextBeside(target.root),
    embedding: roles.embedding,
    head: roles.head,
  };
  const progress = progressOf(target, options);
  listUnread(target, weights, findings);
  findings.evidence.push(...census(weights, { ...context, onTensor: progress('reading tensors') }));
  if (options.base === undefined) return;
  using base = openStored(options.base);
  const comparison = compareWithBase(weights, base, {
    ...context,
    baseName: basename(realpathSync(options.base)),
    modelPath: target.name,
    onTensor: progress('comparing with the base'),
  });
  findings.evidence.push(...comparison.evidence);
  if (comparison.withoutSpectrum.length > 0) {
    findings.notCovered.push({
      what: `${target.name}: spectra of ${comparison.withoutSpectrum.length} changed matrices`,
      why: 'E_LIMIT: the work for spectra was spent on the matrices that changed more',
    });
  }
}

/** Packed integers that no reader turned into numbers. */
function listUnread(target: Target, weights: StoredWeights, { notCovered }: Findings): void {
  for (const { name, shape, located, values, unread } of weights.tensors.values()) {
    if (unread !== undefined) {
      notCovered.push({ what: `${target.name}: tensor ${JSON.stringify(name)}`, why: unread });
      continue;
    }
    if (values !== undefined || located === undefined || shape.length < 2) continue;
    if (located.dtype === 'bool' || shape.every((n) => n <= 1) || BUFFER.test(name)) continue;
    notCovered.push({
      what: `${target.name}: tensor ${JSON.stringify(name)}`,
      why: `its ${located.dtype} integers are no weights that this stage reads`,
    });
  }
}

function readAdapter(target: Target, options: WeightStageOptions, findings: Findings): void {
  using adapter = openAdapter(target.root);
  const pathOf = pathIn(target);
  findings.evidence.push(
    ...census(adapter.weights, {
      pathOf,
      tokenText: () => '',
      embedding: undefined,
      head: undefined,
      onTensor: progressOf(target, options)('reading tensors'),
    }),
  );
  const { evidence, left } = adapterSpectra(adapter, pathOf);
  findings.evidence.push(...evidence);
  for (const module of left) {
    findings.notCovered.push({
      what: `${target.name}: spectrum of ${JSON.stringify(module)}`,
      why: 'E_LIMIT: its factors are too large',
    });
  }
}

function pathIn(target: Target): (file: string) => string {
  return (file) => {
    if (target.kind === 'file') return target.name;
    const inside = relative(target.root, file);
    // Hubs keep snapshots as links into a blob store; the name in the folder is what people know.
    const local = inside.startsWith('..') ? nameOfLink(target.root, file) : inside;
    return `${target.name}/${local.split(sep).join('/')}`;
  };
}

function nameOfLink(root: string, file: string): string {
  for (const name of ['model.safetensors', 'adapter_model.safetensors', 'pytorch_model.bin']) {
    const path = join(root, name);
    if (existsSync(path) && realpathSync(path) === file) return name;
  }
  return basename(file);
}

function progressOf(target: Target, options: WeightStageOptions) {
  return (label: string) => (done: number, total: number) => {
    if (options.cancel?.cancelled === true) {
      throw new ScanError('E_INTERRUPTED', 'the scan was cancelled');
    }
    options.onProgress?.({
      target: target.name,
      stage: 'weights',
      label,
      done,
      total,
      unit: 'tensors',
    });
  };
}
