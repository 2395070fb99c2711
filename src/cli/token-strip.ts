/** A row of tokens on a terminal, brighter where a feature fires; without colours, marked with brackets. */
import type { StripToken } from '../interpret/catalogue.ts';
import { visibleLine } from '../report/safe-text.ts';

/** 256-colour backgrounds from faint to full. */
const HEAT = [52, 88, 124, 160, 196] as const;
const RESET = '\u001b[0m';

/** @param strongest value that gets the brightest colour */
export function tokenStrip(
  tokens: readonly StripToken[],
  strongest: number,
  color: boolean,
): string {
  return tokens
    .map(({ text, value }) => {
      const shown = visibleLine(text);
      if (value === 0) return shown;
      if (!color) return `⟦${shown}⟧`;
      const share = Math.min(1, Math.abs(value) / Math.max(1e-12, strongest));
      const heat = HEAT[Math.min(HEAT.length - 1, Math.floor(share * HEAT.length))] as number;
      return `\u001b[48;5;${heat}m\u001b[97m${shown}${RESET}`;
    })
    .join('');
}
