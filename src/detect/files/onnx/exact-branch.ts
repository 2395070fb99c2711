/**
 * Follows the model's inputs to comparisons with constants, and those to a choice between two outputs: the
 * graph backdoor that HiddenLayer named ShadowLogic. Ordinary models compare inputs too (padding masks, a
 * sample-rate switch), so a scalar input does not count and a mask counts only where it picks a final output.
 */
import type { OnnxInput, OnnxNode } from '../../../artifact/onnx/reader.ts';

/** `data`: the input's values through simple arithmetic. `exact`: the outcome of a comparison. `chosen`: picked by it. */
type Trait = 'data' | 'constant' | 'exact' | 'chosen';

interface Mark {
  readonly trait: Trait;
  /** The graph input where it comes from. */
  readonly input: string;
  readonly comparison: string;
  /** True once values of several positions were made one, or some positions were picked out. */
  readonly narrowed: boolean;
  readonly node?: OnnxNode;
}

/** A mask says something about each position; a trigger is one answer about the whole input, or about fixed places. */
const NARROWING = /^(?:Reduce\w+|Gather\w*|Slice|Split|ArgMax|ArgMin|CumSum)$/;

/** Operators that keep enough of the input to test it: moves, reductions, element-wise arithmetic. */
const SIMPLE = new Set(
  `Identity Cast CastLike Reshape Flatten Squeeze Unsqueeze Transpose Slice Gather GatherND GatherElements Concat
  Split Pad Expand Tile ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare Add Sub
  Mul Div Mod Abs Neg Floor Ceil Round Sign Clip BitShift BitwiseAnd BitwiseOr BitwiseXor CumSum Max Min Sum Mean
  Pow Sqrt DepthToSpace SpaceToDepth`.split(/\s+/),
);
const COMPARISONS = new Set([
  'Equal',
  'Less',
  'Greater',
  'LessOrEqual',
  'GreaterOrEqual',
  'IsClose',
]);
/** Operators that carry a yes or no on. */
const LOGIC = new Set([
  ...COMPARISONS,
  ...'And Or Not Xor Cast CastLike ReduceMin ReduceMax ReduceSum ReduceProd ReduceMean ReduceL1 Squeeze Unsqueeze Reshape Identity Gather Slice Mul Add Sub Flatten Expand Concat'.split(
    ' ',
  ),
]);
/** Operators between a choice and the model's output. */
const PASSING = new Set(
  'Identity Cast Reshape Flatten Squeeze Unsqueeze Transpose Softmax LogSoftmax Sigmoid Add Sub Mul Div Concat Gather Slice Clip Expand Where'.split(
    ' ',
  ),
);
const MAX_NAMES = 500_000;

export interface ExactBranch {
  readonly input: string;
  readonly comparison: string;
  readonly branch: 'If' | 'Where' | 'Loop';
  readonly byteOffset: number;
  readonly nodeName: string;
}

function narrow(mark: Mark, opType: string): Mark {
  return mark.narrowed || !NARROWING.test(opType) ? mark : { ...mark, narrowed: true };
}

function isGlobalEquality({ comparison, narrowed }: Mark): boolean {
  return comparison === 'Equal' && narrowed;
}

export class ExactBranchTracer {
  readonly found: ExactBranch[] = [];
  readonly #scopes: Map<string, Mark>[] = [];
  #names = 0;

  beginGraph(): void {
    this.#scopes.push(new Map());
  }

  /** @param isModel false for the graphs of branches, loops and functions, whose inputs are not the user's. */
  input({ name, elementCount }: OnnxInput, isModel: boolean): void {
    if (!isModel || elementCount === 1 || this.#lookup(name) !== undefined) return;
    this.#mark(name, { trait: 'data', input: name, comparison: '', narrowed: false });
  }

  constant(name: string): void {
    this.#mark(name, { trait: 'constant', input: '', comparison: '', narrowed: false });
  }

  node(node: OnnxNode): void {
    const { opType, inputs, outputs } = node;
    if (opType === 'Constant' || opType === 'ConstantOfShape') {
      for (const output of outputs) this.constant(output);
      return;
    }
    const marks = inputs.map((name) => this.#lookup(name));
    const exact = marks.find((mark) => mark?.trait === 'exact');
    const first = marks[0];
    if (opType === 'If' && first?.trait === 'exact') this.#report(first, 'If', node);
    else if (opType === 'Loop' && marks[1]?.trait === 'exact') this.#report(marks[1], 'Loop', node);
    else if (opType === 'Where' && first?.trait === 'exact' && isGlobalEquality(first)) {
      for (const output of outputs) this.#mark(output, { ...first, trait: 'chosen', node });
    } else if (exact && LOGIC.has(opType)) {
      for (const output of outputs) this.#mark(output, narrow(exact, opType));
    } else if (COMPARISONS.has(opType)) this.#compare(node, marks);
    else this.#carry(node, marks);
  }

  endGraph(outputs: readonly string[], isModel: boolean): void {
    if (isModel) {
      for (const output of outputs) {
        const mark = this.#lookup(output);
        if (mark?.trait === 'chosen' && mark.node) this.#report(mark, 'Where', mark.node);
      }
    }
    this.#scopes.pop();
  }

  #compare(node: OnnxNode, marks: readonly (Mark | undefined)[]): void {
    const data = marks.find((mark) => mark?.trait === 'data');
    if (!data || !marks.some((mark) => mark?.trait === 'constant')) return;
    for (const output of node.outputs) {
      this.#mark(output, { ...data, trait: 'exact', comparison: node.opType });
    }
  }

  #carry(node: OnnxNode, marks: readonly (Mark | undefined)[]): void {
    const chosen = marks.find((mark) => mark?.trait === 'chosen');
    if (chosen && PASSING.has(node.opType)) {
      for (const output of node.outputs) this.#mark(output, chosen);
      return;
    }
    if (!SIMPLE.has(node.opType)) return;
    const data = marks.find((mark) => mark?.trait === 'data');
    const isConstant = marks.length > 0 && marks.every((mark) => mark?.trait === 'constant');
    const mark = data ?? (isConstant ? marks[0] : undefined);
    // Arithmetic with what the model computed is not a test of the input any more.
    const mixed = marks.some((other, i) => other === undefined && node.inputs[i] !== '');
    if (!mark || mixed) return;
    for (const output of node.outputs) this.#mark(output, narrow(mark, node.opType));
  }

  #report(mark: Mark, branch: ExactBranch['branch'], node: OnnxNode): void {
    const { input, comparison } = mark;
    const { byteOffset, name: nodeName } = node;
    if (this.found.length < 1000)
      this.found.push({ input, comparison, branch, byteOffset, nodeName });
  }

  #mark(name: string, mark: Mark): void {
    if (name === '' || ++this.#names > MAX_NAMES) return;
    this.#scopes.at(-1)?.set(name, mark);
  }

  #lookup(name: string): Mark | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const mark = this.#scopes[i]?.get(name);
      if (mark) return mark;
    }
    return undefined;
  }
}
