/** What a measuring process is asked to do. */
export type Job =
  | {
      readonly kind: 'sae';
      readonly model: string;
      readonly sae: string;
      /** int32, [batches, batch, length]. */
      readonly tokens: string;
      /** Blocks before the tap. */
      readonly layer: number;
      readonly batch: number;
      readonly length: number;
      /** Where count, sum and max of every feature go, float32. */
      readonly result: string;
    }
  | {
      readonly kind: 'plain';
      readonly model: string;
      readonly batch: number;
      readonly length: number;
      readonly batches: number;
      /** Folder for the eight-bit copy that runs instead. */
      readonly int8?: string;
      /** Blocks that are run; all by default. */
      readonly blocks?: number;
      /** Threads of the pool; absent: in the process itself. */
      readonly workers?: number;
    }
  | {
      readonly kind: 'sweep';
      readonly model: string;
      readonly shared: boolean;
      readonly context: number;
      readonly candidates: number;
      readonly batch: number;
    }
  | {
      readonly kind: 'encoder';
      readonly model: string;
      readonly length: number;
      readonly candidates: number;
      readonly batch: number;
    };

export interface Round {
  readonly cpuSeconds: number;
  readonly wallSeconds?: number;
  /** Tokens or candidates. */
  readonly done: number;
}
