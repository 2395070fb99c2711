/** Renders a chat template with limits: a thread with a bounded heap that ends after a few seconds. */
import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../../entry-point.ts';
import { ScanError } from '../../errors.ts';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
}

export interface RenderJob {
  readonly source: string;
  readonly conversations: readonly (readonly ChatMessage[])[];
  /** Strings that templates expect, such as `bos_token`. */
  readonly variables: Readonly<Record<string, string>>;
}

export type RenderedConversation = { readonly text: string } | { readonly refused: string };

export interface RenderLimits {
  readonly maxSourceCharacters: number;
  readonly maxSeconds: number;
  readonly maxHeapMebibytes: number;
}

export const RENDER_LIMITS: RenderLimits = {
  maxSourceCharacters: 100_000,
  maxSeconds: 5,
  maxHeapMebibytes: 64,
};

/** @throws ScanError `E_LIMIT` beyond the limits, `E_FORMAT` for what is no template */
export async function renderChat(
  job: RenderJob,
  limits: RenderLimits = RENDER_LIMITS,
): Promise<readonly RenderedConversation[]> {
  if (job.source.length > limits.maxSourceCharacters) {
    throw new ScanError('E_LIMIT', 'the chat template is too long to be rendered');
  }
  const worker = new Worker(compiledEntry('model/chat/render-worker'), {
    workerData: job,
    resourceLimits: {
      maxOldGenerationSizeMb: limits.maxHeapMebibytes,
      maxYoungGenerationSizeMb: 16,
    },
    // Nothing of the caller's surroundings is for a template.
    env: {},
    stdout: true,
    stderr: true,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new ScanError('E_LIMIT', 'the chat template takes too long to render'));
      }, limits.maxSeconds * 1000);
      worker.once('message', resolve);
      worker.once('error', (cause) => reject(failure(cause)));
      worker.once('exit', () =>
        reject(new ScanError('E_FORMAT', 'the chat template gave nothing')),
      );
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}

function failure(cause: unknown): ScanError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new ScanError('E_LIMIT', 'the chat template needs too much memory', { cause });
  }
  const why = cause instanceof Error ? cause.message.slice(0, 160) : 'unknown';
  return new ScanError('E_FORMAT', `the chat template cannot be rendered: ${why}`, { cause });
}
