/**
 * Known attacks on structured formats and scanners of them, each with the case that shows it is caught:
 * class, public reference, rule, and case file below `rules/<rule>/cases/`.
 */
export interface BypassCase {
  readonly attack: string;
  readonly reference: string;
  readonly rule: string;
  readonly file: string;
}

const row = (attack: string, reference: string, rule: string, file: string): BypassCase => ({
  attack,
  reference,
  rule,
  file,
});

export const FORMAT_BYPASSES: readonly BypassCase[] = [
  row('Keras', 'CVE-2024-3660', 'keras-unsafe-layer', 'positive-lambda-keras2.json'),
  row('Keras', 'CVE-2025-1550', 'keras-unsafe-layer', 'positive-os-system.json'),
  row(
    'Keras',
    'CVE-2025-1550 in build_config',
    'keras-unsafe-layer',
    'positive-in-build-config.json',
  ),
  row(
    'Keras',
    'CVE-2025-1550 in compile_config',
    'keras-unsafe-layer',
    'positive-in-compile-config.json',
  ),
  row('Keras', 'CVE-2025-8747', 'keras-unsafe-layer', 'positive-get-file.json'),
  row('Keras', 'CVE-2025-12060', 'keras-unsafe-layer', 'positive-get-file-function.json'),
  row('Keras', 'CVE-2025-9905', 'keras-unsafe-layer', 'positive-lambda.h5'),
  row('Keras', 'CVE-2025-9906', 'keras-unsafe-layer', 'positive-safe-mode-off.json'),
  row('Keras', 'CVE-2025-49655', 'keras-unsafe-layer', 'positive-torch-wrapper.json'),
  row('Keras', 'CVE-2025-12058', 'reference-leaves-model', 'positive-keras-vocabulary.json'),
  row('Keras', 'CVE-2026-1462', 'keras-unsafe-layer', 'positive-tfsm-layer.json'),
  row('Keras', 'CVE-2026-1669', 'reference-leaves-model', 'positive-hdf5-storage.h5'),
  row('Keras', 'CVE-2026-1669 by links', 'reference-leaves-model', 'positive-hdf5-link-latest.h5'),
  row('Keras', 'Duplicate JSON keys', 'duplicate-json-key', 'positive-class-name-twice.json'),
  row('Keras', 'Archive', 'keras-unsafe-layer', 'positive-lambda.keras'),
  row(
    'GGUF memory safety',
    'CVE-2024-23496',
    'tampered-structure',
    'positive-gguf-wild-metadata-count.gguf',
  ),
  row(
    'GGUF memory safety',
    'CVE-2024-21802',
    'tampered-structure',
    'positive-gguf-shape-overflow.gguf',
  ),
  row(
    'GGUF memory safety',
    'CVE-2024-21825',
    'tampered-structure',
    'positive-gguf-wild-array.gguf',
  ),
  row(
    'GGUF memory safety',
    'CVE-2024-21836',
    'tampered-structure',
    'positive-gguf-wild-tensor-count.gguf',
  ),
  row(
    'GGUF memory safety',
    'CVE-2024-23605',
    'tampered-structure',
    'positive-gguf-wild-string.gguf',
  ),
  row('GGUF memory safety', 'CVE-2025-53630', 'tampered-structure', 'positive-gguf-size-sum.gguf'),
  row('GGUF memory safety', 'CVE-2026-27940', 'tampered-structure', 'positive-gguf-size-sum.gguf'),
  row('GGUF memory safety', 'CVE-2026-7482', 'tampered-structure', 'positive-gguf-bounds.gguf'),
  row('ONNX', 'CVE-2022-25882', 'reference-leaves-model', 'positive-onnx-climbing.onnx'),
  row('ONNX', 'CVE-2024-27318', 'reference-leaves-model', 'positive-onnx-hidden-climb.onnx'),
  row('ONNX', 'CVE-2024-5187', 'reference-leaves-model', 'positive-onnx-absolute.onnx'),
  row('ONNX', 'CVE-2025-51480', 'reference-leaves-model', 'positive-onnx-in-attribute.onnx'),
  row('ONNX', 'CVE-2026-34445', 'external-data-key', 'positive-attribute-injection.onnx'),
  row('ONNX', 'ShadowLogic, If', 'exact-input-branch', 'positive-onnx-if.onnx'),
  row('ONNX', 'ShadowLogic, Where', 'exact-input-branch', 'positive-onnx-where.onnx'),
  row('ONNX', 'Python operators', 'operator-runs-code', 'positive-onnx-pyop.onnx'),
  row('ONNX', 'Hiding functions', 'redefined-operator', 'positive-onnx-relu.onnx'),
  row('Safetensors', 'Gap', 'tampered-structure', 'positive-safetensors-gap.safetensors'),
  row(
    'Safetensors',
    'Trailing data',
    'tampered-structure',
    'positive-safetensors-tail.safetensors',
  ),
  row(
    'Safetensors',
    'Duplicate keys',
    'tampered-structure',
    'positive-safetensors-duplicate-name.safetensors',
  ),
  row(
    'Safetensors',
    'Metadata payload',
    'metadata-payload',
    'positive-safetensors-python.safetensors',
  ),
  row(
    'weights_only bypass',
    'CVE-2025-32434',
    'operator-touches-files',
    'positive-torchscript-save.pt',
  ),
  row('weights_only bypass', 'CVE-2024-48063', 'operator-runs-code', 'positive-torchscript-rpc.pt'),
  row('skops', 'CVE-2025-54412', 'unsafe-type', 'positive-operator-mismatch.skops'),
  row('skops', 'CVE-2025-54413', 'unsafe-type', 'positive-private-method.skops'),
  row('skops', 'CVE-2025-54886', 'unsafe-type', 'positive-os-system.skops'),
];
