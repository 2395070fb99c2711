/** Core ML: layers and models that need code from the app, and files outside the package. */
import { visitCoreml } from '../../../artifact/coreml/reader.ts';
import { judgeReference } from '../../../artifact/reference-path.ts';
import type { FileDetector } from '../detector.ts';
import { shown, Tally } from '../tally.ts';
import { addPayload } from '../tensor-table.ts';

export const coremlDetector: FileDetector = {
  name: 'coreml',
  accepts: ({ format, path, member }) =>
    format === 'coreml' || (format === 'protobuf' && /\.mlmodel$/i.test(member ?? path)),
  inspect(subject, report) {
    const tally = new Tally(subject);
    try {
      visitCoreml(subject.source, {
        check: () => subject.budget.check(),
        custom(kind, className, byteOffset) {
          const operator = shown(`custom ${kind} ${className}`);
          tally.add(
            operator,
            { kind: 'operator-use', format: 'coreml', operator, effect: 'custom' },
            { byteOffset },
          );
        },
        file(purpose, name, byteOffset) {
          if (name === '') return;
          const problem = judgeReference(name.replace(/^@model_path\//, ''));
          const fact = {
            kind: 'external-reference',
            format: 'coreml',
            purpose,
            target: shown(name),
            problem,
          } as const;
          tally.add(problem === 'inside' ? name : problem, fact, { byteOffset });
        },
        metadata: (key, value) => addPayload(tally, 'coreml', shown(key), `${key}\n${value}`),
      });
    } finally {
      tally.flush(report);
    }
  },
};
