/** The stable result format `narrowfire/result/v1` (docs/results.md): everything, machine-readable. */
import type { ScanResult } from '../finding/finding.ts';
import { jsonText } from './safe-text.ts';

export function* renderJson(result: ScanResult): Iterable<string> {
  const { targets, ...head } = result;
  yield `${jsonText(head).slice(0, -1)},\n "targets": [`;
  for (const [index, target] of targets.entries()) {
    const { findings, ...rest } = target;
    yield `${index === 0 ? '\n' : ',\n'}  ${jsonText(rest).slice(0, -1)},"findings":[`;
    for (const [number, finding] of findings.entries()) {
      yield `${number === 0 ? '\n' : ',\n'}   ${jsonText(finding)}`;
    }
    yield findings.length === 0 ? ']}' : '\n  ]}';
  }
  yield targets.length === 0 ? ']\n}\n' : '\n ]\n}\n';
}
