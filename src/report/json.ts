/** The stable result format `narrowfire/result/v1` (docs/results.md): everything, machine-readable. */
import type { ScanResult } from '../finding/finding.ts';

export function* renderJson(result: ScanResult): Iterable<string> {
  const { targets, ...head } = result;
  const opening = JSON.stringify(head, null, 1).slice(0, -2);
  yield `${opening},\n "targets": [`;
  for (const [index, target] of targets.entries()) {
    const { findings, ...rest } = target;
    yield `${index === 0 ? '\n' : ',\n'}  ${JSON.stringify(rest).slice(0, -1)},"findings":[`;
    for (const [number, finding] of findings.entries()) {
      yield `${number === 0 ? '\n' : ',\n'}   ${JSON.stringify(finding)}`;
    }
    yield findings.length === 0 ? ']}' : '\n  ]}';
  }
  yield targets.length === 0 ? ']\n}\n' : '\n ]\n}\n';
}
