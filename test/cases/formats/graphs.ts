/** TensorFlow, TFLite, Core ML and OpenVINO cases; those that a framework wrote are copies of the fixtures. */
import { readFileSync } from 'node:fs';
import { bytesField, varintField } from '../protobuf-writer.ts';
import { zipFile } from '../zip-writer.ts';
import { casesOf, type RuleCase } from './rule-case.ts';

const fixture = (name: string) => (): Uint8Array =>
  readFileSync(`test/fixtures/frameworks/${name}`);

interface NodeSpec {
  readonly name: string;
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly text?: string;
}

const graphNode = ({ name, op, inputs = [], text }: NodeSpec): Buffer =>
  Buffer.concat([
    bytesField(1, name),
    bytesField(2, op),
    ...inputs.map((input) => bytesField(3, input)),
    ...(text === undefined
      ? []
      : [
          bytesField(5, [
            bytesField(1, 'value'),
            bytesField(2, bytesField(8, bytesField(8, text))),
          ]),
        ]),
  ]);

export const graphDef = (...nodes: readonly NodeSpec[]): Buffer =>
  Buffer.concat(nodes.map((item) => bytesField(1, graphNode(item))));
export const savedModel = (graph: Buffer, ...more: readonly Buffer[]): Buffer =>
  Buffer.concat([varintField(1, 1), bytesField(2, [bytesField(2, graph), ...more])]);

const path = { name: 'path', op: 'Const', text: '/etc/hostname' };
const placeholder = { name: 'prefix', op: 'Placeholder' };
const openvino = (layer: string, doctype = ''): Buffer =>
  Buffer.from(
    `<?xml version="1.0"?>\n${doctype}<net name="m" version="11"><layers>${layer}</layers></net>\n`,
  );

/** A TFLite model whose only node names tensor 9 of none. */
function badTensorIndex(): Buffer {
  const bytes = Buffer.from(fixture('ordinary/affine.tflite')());
  // The first input list of the fixture's operator holds tensor indices 0 and 1 as a vector of length 2 or 3.
  for (let at = 8; at + 16 < bytes.length; at += 4) {
    if (
      bytes.readUInt32LE(at) === 3 &&
      bytes.readInt32LE(at + 4) === 0 &&
      bytes.readInt32LE(at + 8) === 1
    ) {
      bytes.writeInt32LE(900, at + 4);
      return bytes;
    }
  }
  throw new Error('the fixture has no operator with three inputs');
}

/** A model with its labels in a zip after it, as TFLite metadata asks for. */
const withLabels = (): Buffer =>
  Buffer.concat([
    fixture('ordinary/affine.tflite')(),
    zipFile([{ name: 'labels.txt', data: Buffer.from('cat\ndog\n') }]),
  ]);

export const graphCases: readonly RuleCase[] = [
  ...casesOf('polyglot-file', { 'negative-tflite-labels.tflite': withLabels }),
  ...casesOf('archive-hidden-data', { 'negative-tflite-labels.tflite': withLabels }),
  ...casesOf('disguised-format', { 'negative-tflite-labels.tflite': withLabels }),
  ...casesOf('operator-touches-files', {
    'positive-tensorflow-read.pb': () =>
      graphDef(path, { name: 'read', op: 'ReadFile', inputs: ['path'] }),
    'positive-savedmodel-write.pb': () =>
      savedModel(graphDef(path, { name: 'write', op: 'WriteFile', inputs: ['path', 'x'] })),
    'positive-savedmodel-fixed-save.pb': () =>
      savedModel(graphDef(path, { name: 'save', op: 'SaveV2', inputs: ['path'] })),
    'positive-savedmodel-merge.pb': () =>
      savedModel(
        graphDef(
          path,
          { name: 'same', op: 'Identity', inputs: ['path'] },
          { name: 'merge', op: 'MergeV2Checkpoints', inputs: ['same:0'] },
        ),
      ),
    'positive-tflite-flex.tflite': fixture('hostile/flex-read.tflite'),
    'positive-text-graph.pbtxt': () =>
      Buffer.from('node {\n  name: "r"\n  op: "ReadFile"\n  input: "x"\n}\n'),
    'negative-text-graph.pbtxt': () => Buffer.from('node {\n  name: "r"\n  op: "MatMul"\n}\n'),
    'negative-savedmodel-saver.pb': () =>
      savedModel(graphDef(placeholder, { name: 'save', op: 'SaveV2', inputs: ['prefix'] })),
    'negative-savedmodel.pb': fixture('ordinary/saved-model/saved_model.pb'),
    'negative-frozen.pb': fixture('ordinary/frozen.pb'),
    'negative-affine.tflite': fixture('ordinary/affine.tflite'),
  }),
  ...casesOf('operator-runs-code', {
    'positive-savedmodel-python.pb': fixture('hostile/saved-model-python/saved_model.pb'),
    'positive-graphdef-pyfunc.pb': () => graphDef({ name: 'call', op: 'PyFunc' }),
    'negative-savedmodel.pb': fixture('ordinary/saved-model/saved_model.pb'),
  }),
  ...casesOf('custom-operator', {
    'positive-tensorflow-unknown.pb': () => graphDef({ name: 'own', op: 'MyCompany>SecretOp' }),
    'positive-coreml-layer.mlmodel': fixture('hostile/custom-layer.mlmodel'),
    'positive-coreml-model.mlmodel': () =>
      Buffer.concat([
        varintField(1, 4),
        bytesField(2, ''),
        bytesField(555, bytesField(10, 'MyModel')),
      ]),
    'positive-openvino-extension.xml': () =>
      openvino('<layer id="0" name="x" type="MyOp" version="extension"/>'),
    'negative-openvino.xml': () =>
      openvino('<layer id="0" name="x" type="Parameter" version="opset1"/>'),
    'negative-coreml.mlmodel': fixture('ordinary/network.mlmodel'),
    'negative-savedmodel.pb': fixture('ordinary/saved-model/saved_model.pb'),
  }),
  ...casesOf('reference-leaves-model', {
    'positive-tensorflow-asset.pb': () =>
      savedModel(graphDef(placeholder), bytesField(6, bytesField(2, '../../etc/hostname'))),
    'positive-coreml-weights.mlmodel': () => {
      const value = bytesField(5, bytesField(1, '@model_path/../../weights.bin'));
      const operation = bytesField(3, [
        bytesField(1, 'const'),
        bytesField(5, [bytesField(1, 'val'), bytesField(2, value)]),
      ]);
      const body = bytesField(3, [bytesField(1, 'CoreML5'), bytesField(2, operation)]);
      return Buffer.concat([
        varintField(1, 7),
        bytesField(502, bytesField(2, [bytesField(1, 'main'), bytesField(2, body)])),
      ]);
    },
    'positive-openvino-entity.xml': () =>
      openvino('', '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
    'positive-hdf5-link-earliest.h5': fixture('hostile/external-link-earliest.h5'),
    'positive-hdf5-link-latest.h5': fixture('hostile/external-link-latest.h5'),
    'positive-hdf5-storage.h5': fixture('hostile/external-storage-earliest.h5'),
    'negative-tensorflow-asset.pb': () =>
      savedModel(graphDef(placeholder), bytesField(6, bytesField(2, 'vocab.txt'))),
    'negative-hdf5-soft-link.h5': fixture('ordinary/datasets-latest.h5'),
  }),
  ...casesOf('irregular-structure', {
    'positive-xml-entity.xml': () => openvino('', '<!DOCTYPE net [<!ENTITY a "b">]>'),
  }),
  ...casesOf('tampered-structure', {
    'positive-hdf5-user-block.h5': () =>
      Buffer.concat([
        Buffer.from('hidden payload'),
        Buffer.alloc(498),
        fixture('ordinary/sequential.h5')(),
      ]),
    'positive-tflite-tensor-index.tflite': badTensorIndex,
    'negative-affine.tflite': fixture('ordinary/affine.tflite'),
  }),
  ...casesOf('keras-unsafe-layer', {
    'positive-lambda.h5': fixture('hostile/lambda.h5'),
    'positive-lambda.keras': fixture('hostile/lambda.keras'),
    'positive-many-attributes-latest.h5': fixture('hostile/model-config-latest.h5'),
    'negative-functional.h5': fixture('ordinary/functional.h5'),
    'negative-functional.keras': fixture('ordinary/functional.keras'),
  }),
  ...casesOf('keras-unlisted-class', {
    'negative-functional.h5': fixture('ordinary/functional.h5'),
    'negative-text.keras': fixture('ordinary/text.keras'),
  }),
];
