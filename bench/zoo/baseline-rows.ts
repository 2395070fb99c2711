/** What `bench:zoo:baselines` stores of one model. */
import type { HaystackScore } from './haystack.ts';

export interface BaselineRow {
  readonly set: string;
  readonly name: string;
  /** Largest Q; the paper flags above 0.9. */
  readonly bait: number;
  readonly haystack: HaystackScore;
  readonly tokens: number;
  readonly cpuSeconds: number;
}

export function readBaselines(lines: string): BaselineRow[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as BaselineRow);
}
