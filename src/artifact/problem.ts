/**
 * How a reader speaks about bytes that break a rule of their format but can still be read.
 * A loader wants the first such problem thrown; the file stage wants all of them. One reader serves both:
 * it calls a sink, and the sink decides.
 */
import { type ErrorCode, ScanError } from '../errors.ts';

export interface FormatProblem {
  /** Stable slug, as in `duplicate-name`; rules name it. */
  readonly problem: string;
  /** One clause for people, lower-case, no trailing period. */
  readonly detail: string;
  readonly code: ErrorCode;
  readonly byteOffset: number;
  readonly byteLength?: number;
  readonly tensor?: string;
  readonly key?: string;
}

export type ProblemSink = (problem: FormatProblem) => void;

/** The sink of loaders: the first problem ends the reading. */
export function throwProblem(problem: FormatProblem): never {
  throw new ScanError(problem.code, problem.detail, { byteOffset: problem.byteOffset });
}
