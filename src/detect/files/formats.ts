/** The detectors of structured model formats, one line each. */
import type { FileDetector } from './detector.ts';
import { coremlDetector } from './graphs/coreml.ts';
import { tensorflowDetector, tensorflowTextDetector, tfliteDetector } from './graphs/tensorflow.ts';
import { hdf5Detector, kerasJsonDetector } from './keras/detector.ts';
import { npyDetector } from './objects/numpy.ts';
import { msgpackDetector, unreadDetector } from './objects/plain-trees.ts';
import { skopsDetector } from './objects/skops.ts';
import { embeddedCodeDetector, torchscriptDetector } from './objects/torchscript.ts';
import { xmlDetector } from './objects/xml.ts';
import { onnxDetector } from './onnx/detector.ts';
import { ggufDetector, safetensorsDetector } from './tensor-table.ts';

export const FORMAT_DETECTORS: readonly FileDetector[] = [
  safetensorsDetector,
  ggufDetector,
  onnxDetector,
  hdf5Detector,
  kerasJsonDetector,
  tensorflowDetector,
  tensorflowTextDetector,
  tfliteDetector,
  coremlDetector,
  npyDetector,
  skopsDetector,
  torchscriptDetector,
  embeddedCodeDetector,
  xmlDetector,
  msgpackDetector,
  unreadDetector,
];
