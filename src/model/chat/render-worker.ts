/**
 * Renders one chat template in a thread of its own: a template is a program from a stranger, and the caller bounds
 * its time and memory from outside. Started from `dist/`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Template } from '@huggingface/jinja';
import type { RenderedConversation, RenderJob } from './render.ts';

/** Templates ask for the date: every scan gives the same one, at noon, so that time zones agree on the day. */
const NOW = Date.UTC(2026, 0, 15, 12);
globalThis.Date = class extends Date {
  constructor(...given: [] | [number]) {
    super(given.length === 0 ? NOW : given[0]);
  }
} as DateConstructor;

const MAX_RENDERED = 20_000;

function render({ source, conversations, variables }: RenderJob): RenderedConversation[] {
  const template = new Template(source);
  return conversations.map((messages) => {
    try {
      const text = template.render({
        ...variables,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: true,
      });
      return text.length > MAX_RENDERED ? { refused: 'its output is too long' } : { text };
    } catch (thrown) {
      // Many templates refuse a role on purpose, by raise_exception.
      return { refused: thrown instanceof Error ? thrown.message.slice(0, 160) : 'it failed' };
    }
  });
}

parentPort?.postMessage(render(workerData as RenderJob));
