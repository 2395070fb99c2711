/** Writes a `Graph` as ONNX ModelProto bytes. Field numbers: onnx/onnx.proto, IR version 10. */
import { isAbsolute, parse, relative, sep } from 'node:path';
import {
  type Attribute,
  type ConstantTensor,
  ELEMENT_TYPE_IDS,
  type ExternalTensor,
  type Graph,
  type Node,
  type ValueInfo,
} from './graph.ts';
import { WireWriter } from './wire.ts';

const IR_VERSION = 10;
/** Attention and RMSNormalization came with 23; ONNX Runtime 1.30 takes up to 26. */
const OPSET = 23;
const EXTERNAL_LOCATION = 1;
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, graph: 5, floats: 6, ints: 7 } as const;

/** Plain data: what a worker thread needs to open a session. */
export interface EncodedGraph {
  readonly model: Uint8Array;
  /** Folder that external-data locations are relative to. */
  readonly externalRoot: string;
  /** Whether it maps weights from files. */
  readonly mapsFiles: boolean;
}

export function encodeGraph(graph: Graph): EncodedGraph {
  const file = graph.externals[0]?.tensor.file;
  return {
    model: encodeModel(graph),
    // A graph without weights opens no file, so any root will do.
    externalRoot: file === undefined ? '/' : parse(file).root,
    mapsFiles: file !== undefined,
  };
}

function encodeModel(graph: Graph): Uint8Array {
  const model = new WireWriter();
  model.varint(1, IR_VERSION);
  model.string(2, 'narrowfire');
  model.message(7, (inner) => writeGraph(inner, graph, 'main'));
  for (const [domain, version] of [
    ['', OPSET],
    ['com.microsoft', 1],
  ] as const) {
    model.message(8, (opset) => opset.string(1, domain).varint(2, version));
  }
  return model.finish();
}

function writeGraph(writer: WireWriter, graph: Graph, name: string): void {
  for (const node of graph.nodes) writer.message(1, (inner) => writeNode(inner, node));
  writer.string(2, name);
  for (const tensor of graph.constants) writer.message(5, (inner) => writeConstant(inner, tensor));
  for (const tensor of graph.externals) writer.message(5, (inner) => writeExternal(inner, tensor));
  for (const info of graph.inputs) writer.message(11, (inner) => writeValueInfo(inner, info));
  for (const info of graph.outputs) writer.message(12, (inner) => writeValueInfo(inner, info));
}

function writeNode(writer: WireWriter, node: Node): void {
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.string(4, node.opType);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    writer.message(5, (inner) => writeAttribute(inner, name, attribute));
  }
  if (node.domain !== '') writer.string(7, node.domain);
}

function writeAttribute(writer: WireWriter, name: string, attribute: Attribute): void {
  writer.string(1, name);
  switch (attribute.type) {
    case 'float':
      writer.float(2, attribute.value);
      break;
    case 'int':
      writer.varint(3, attribute.value);
      break;
    case 'string':
      writer.string(4, attribute.value);
      break;
    case 'graph':
      writer.message(6, (inner) => writeGraph(inner, attribute.value, name));
      break;
    case 'floats':
      for (const value of attribute.value) writer.float(7, value);
      break;
    case 'ints':
      for (const value of attribute.value) writer.varint(8, value);
      break;
  }
  writer.varint(20, ATTRIBUTE_TYPES[attribute.type]);
}

function writeConstant(writer: WireWriter, tensor: ConstantTensor): void {
  for (const dim of tensor.dims) writer.varint(1, dim);
  writer.varint(2, ELEMENT_TYPE_IDS[tensor.type]).string(8, tensor.name).bytes(9, tensor.bytes);
}

function writeExternal(writer: WireWriter, { name, type, tensor }: ExternalTensor): void {
  if (!isAbsolute(tensor.file))
    throw new Error(`external data path ${tensor.file} is not absolute`);
  // ONNX Runtime refuses absolute locations, so the folder is the drive root and the path is relative to it.
  const location = relative(parse(tensor.file).root, tensor.file).split(sep).join('/');
  for (const dim of tensor.shape) writer.varint(1, dim);
  writer.varint(2, ELEMENT_TYPE_IDS[type]).string(8, name);
  const entries = {
    location,
    offset: String(tensor.byteOffset),
    length: String(tensor.byteLength),
  };
  for (const [key, value] of Object.entries(entries)) {
    writer.message(13, (entry) => entry.string(1, key).string(2, value));
  }
  writer.varint(14, EXTERNAL_LOCATION);
}

function writeValueInfo(writer: WireWriter, { name, type, dims }: ValueInfo): void {
  writer.string(1, name);
  writer.message(2, (typeProto) =>
    typeProto.message(1, (tensorType) => {
      tensorType.varint(1, ELEMENT_TYPE_IDS[type]);
      tensorType.message(2, (shape) => {
        for (const dim of dims) {
          shape.message(1, (proto) => {
            if (typeof dim === 'number') proto.varint(1, dim);
            else proto.string(2, dim);
          });
        }
      });
    }),
  );
}
