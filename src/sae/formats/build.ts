/** The part that most families share: sizes from the bias vectors, matrices by shape, one gate. */
import type { Dictionary, DictionaryOrigin, Gate, InputNorm, Matrix } from '../dictionary.ts';
import type { TensorBag } from './tensors.ts';

export interface TensorNames {
  readonly encoder: string;
  readonly encoderBias: string;
  readonly decoder: string;
  readonly decoderBias: string;
  readonly skip?: string;
}

export interface FamilyRule {
  readonly names: TensorNames;
  /** How the family stores its matrices when they are square. */
  readonly encoderWhenSquare: Matrix['layout'];
  readonly decoderWhenSquare: Matrix['layout'];
  /** Torch's [out, in] by default. */
  readonly skipWhenSquare?: Matrix['layout'];
  readonly subtractDecoderBias: boolean;
  readonly gate: (featureCount: number) => Gate;
  readonly inputNorm?: InputNorm;
  /** `autoencoder` by default. */
  readonly role?: Dictionary['role'];
  readonly site?: Dictionary['site'];
  readonly outputSite?: Dictionary['outputSite'];
  readonly origin: Omit<DictionaryOrigin, 'file'>;
}

/** Feature count is the encoder bias' length, output width the decoder bias' length; the encoder gives the input's. */
export function buildDictionary(bag: TensorBag, rule: FamilyRule): Dictionary {
  const { names } = rule;
  const featureCount = bag.vectorLength(names.encoderBias);
  const outputWidth = bag.vectorLength(names.decoderBias);
  const inputWidth = inputWidthOf(bag, names.encoder, featureCount, outputWidth);
  return {
    role: rule.role ?? 'autoencoder',
    inputWidth,
    outputWidth,
    featureCount,
    encoder: bag.matrix(names.encoder, inputWidth, featureCount, rule.encoderWhenSquare),
    encoderBias: bag.vector(names.encoderBias, featureCount),
    decoder: bag.matrix(names.decoder, featureCount, outputWidth, rule.decoderWhenSquare),
    decoderBias: bag.vector(names.decoderBias, outputWidth),
    subtractDecoderBias: rule.subtractDecoderBias,
    gate: rule.gate(featureCount),
    inputNorm: rule.inputNorm ?? { kind: 'none' },
    ...(names.skip !== undefined &&
      bag.has(names.skip) && {
        skip: bag.matrix(names.skip, inputWidth, outputWidth, rule.skipWhenSquare ?? 'out-in'),
      }),
    ...(rule.site !== undefined && { site: rule.site }),
    ...(rule.outputSite !== undefined && { outputSite: rule.outputSite }),
    origin: { ...rule.origin, file: bag.file },
  };
}

function inputWidthOf(
  bag: TensorBag,
  encoder: string,
  featureCount: number,
  outputWidth: number,
): number {
  const shape = bag.shape(encoder);
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    throw bag.fail(`tensor "${encoder}" is [${shape}], wanted a matrix`);
  }
  if (rows === outputWidth || columns === outputWidth) {
    const other = rows === outputWidth ? columns : rows;
    if (other === featureCount) return outputWidth;
  }
  if (rows === featureCount) return columns;
  if (columns === featureCount) return rows;
  throw bag.fail(`tensor "${encoder}" is [${shape}], no side is the ${featureCount} features`);
}

/** `topk` with k checked against the feature count. */
export function topKGate(bag: TensorBag, k: number): (featureCount: number) => Gate {
  return (featureCount) => {
    if (!Number.isInteger(k) || k < 1 || k > featureCount) {
      throw bag.fail(`k is ${k}, wanted 1 to ${featureCount}`);
    }
    return { kind: 'topk', k };
  };
}

/** relu, or jumprelu where thresholds are stored. */
export function thresholdGate(bag: TensorBag, name: string): (featureCount: number) => Gate {
  return (featureCount) =>
    bag.has(name)
      ? { kind: 'jumprelu', threshold: bag.scalarOrVector(name, featureCount) }
      : { kind: 'relu' };
}
