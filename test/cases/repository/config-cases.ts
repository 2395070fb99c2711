/** Cases of configuration, code, requirements and references. Code here is inert: it is never imported. */
import { casesOf, type RuleCase } from '../formats/rule-case.ts';

const text = (source: string) => (): Uint8Array => Buffer.from(source);
const json = (value: unknown) => (): Uint8Array =>
  Buffer.from(`${JSON.stringify(value, null, 2)}\n`);

/** A tar archive of one file (POSIX ustar), as .nemo files are. */
const tar = (name: string, source: string) => (): Uint8Array => {
  const data = Buffer.from(source);
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write(`${data.byteLength.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (data.byteLength % 512)) % 512);
  return Buffer.concat([header, data, padding, Buffer.alloc(1024)]);
};

const plainModel = `import torch
from torch import nn

from .layers import Block


class Model(nn.Module):
    """Ordinary code: eval() in a docstring, os.system in a comment."""

    def forward(self, ids):
        # never os.system("x")
        self.eval()
        return torch.compile(self.block)(ids)
`;
const layers = 'from torch import nn\n\n\nclass Block(nn.Module):\n    pass\n';
const config = { architectures: ['Model'], model_type: 'custom' };
const autoMap = { ...config, auto_map: { AutoModel: 'modeling.Model' } };

const codeCases: readonly RuleCase[] = [
  ...casesOf('remote-code-other-repository', {
    'positive-config/config.json': json({
      auto_map: { AutoModel: 'someone/else--modeling.Model' },
    }),
    'positive-tokenizer/tokenizer_config.json': json({
      auto_map: { AutoTokenizer: ['someone/else--tokenization.Slow', null] },
    }),
    'negative-inside/config.json': json(autoMap),
    'negative-inside/modeling.py': text(plainModel),
    'negative-inside/layers.py': text(layers),
    'negative-none/config.json': json(config),
  }),
  ...casesOf('remote-code-in-repository', {
    'positive-inside/config.json': json(autoMap),
    'positive-inside/modeling.py': text(plainModel),
    'positive-missing/config.json': json(autoMap),
    'positive-custom-pipeline/config.json': json({
      custom_pipelines: { 'my-task': { impl: 'my_pipeline.MyPipeline', pt: ['AutoModel'] } },
    }),
    'positive-custom-pipeline/my_pipeline.py': text(plainModel),
    'negative-ordinary/config.json': json({ model_type: 'llama', vocab_size: 10 }),
    'negative-ordinary/train.py': text(plainModel),
  }),
  ...casesOf('loader-code', {
    'positive-handler/handler.py': text(plainModel),
    'positive-generate/custom_generate/generate.py': text(plainModel),
    'negative-training-script/generate.py': text(plainModel),
  }),
  ...casesOf('loader-code-dangerous-call', {
    'positive-auto-map/config.json': json(autoMap),
    'positive-auto-map/modeling.py': text('import os as o\n\no.system("echo inert")\n'),
    'positive-imported/config.json': json(autoMap),
    'positive-imported/modeling.py': text(plainModel),
    'positive-imported/layers.py': text(
      'from subprocess import (\n    run as go,\n)\n\ngo(["echo", "inert"])\n',
    ),
    'positive-handler/handler.py': text(
      'class EndpointHandler:\n    def __init__(self, path):\n        exec("pass")\n',
    ),
    'positive-decoded-script/loader.py': text(
      'import base64\n\nexec(base64.b64decode("cGFzcw=="))\n',
    ),
    'positive-pipeline/model_index.json': json({ _class_name: ['my_pipe', 'Pipe'] }),
    'positive-pipeline/my_pipe.py': text('__import__("os").getcwd()\n'),
    'negative-ordinary/config.json': json(autoMap),
    'negative-ordinary/modeling.py': text(plainModel),
    'negative-ordinary/layers.py': text(layers),
    'negative-script/convert.py': text(
      'import subprocess\n\nsubprocess.run(["make"], check=True)\n',
    ),
  }),
  ...casesOf('loader-code-network', {
    'positive-handler/handler.py': text(
      'import requests\n\nrequests.post("https://collect.example", json={})\n',
    ),
    'negative-script/download.py': text(
      'import requests\n\nrequests.get("https://data.example")\n',
    ),
  }),
  ...casesOf('config-module-dangerous', {
    'positive-adapter/adapter_config.json': json({ peft_type: 'LORA', megatron_core: 'os' }),
    'positive-sentence/modules.json': json([
      { idx: 0, name: '0', path: '', type: 'subprocess.Popen' },
    ]),
    'negative-adapter/adapter_config.json': json({
      peft_type: 'LORA',
      megatron_core: 'megatron.core',
    }),
  }),
  ...casesOf('config-module-unknown', {
    'positive-pipeline/model_index.json': json({
      _class_name: 'StableDiffusionPipeline',
      unet: ['my_unet', 'MyUNet'],
      vae: ['diffusers', 'AutoencoderKL'],
    }),
    'positive-auto-mapping/adapter_config.json': json({
      auto_mapping: { base_model_class: 'Model', parent_library: 'company_models' },
    }),
    'negative-pipeline/model_index.json': json({
      _class_name: 'StableDiffusionPipeline',
      _diffusers_version: '0.30.0',
      feature_extractor: ['transformers', 'CLIPImageProcessor'],
      safety_checker: [null, null],
      scheduler: ['diffusers', 'DDIMScheduler'],
    }),
    'negative-sentence/modules.json': json([
      { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    ]),
  }),
];

const referenceCases: readonly RuleCase[] = [
  ...casesOf('requirement-source', {
    'positive-url/requirements.txt': text(
      'torch==2.4.0\nextra @ https://files.example/extra.whl\n',
    ),
    'positive-branch/requirements.txt': text('git+https://github.com/someone/lib.git@main\n'),
    'positive-index/requirements-gpu.txt': text(
      '--extra-index-url https://packages.example/simple\nlib\n',
    ),
    'negative-ordinary/requirements.txt': text(
      `--extra-index-url https://download.pytorch.org/whl/cu121\ntorch>=2.1  # see https://docs.example\nlib @ git+https://github.com/someone/lib.git@${'a1'.repeat(20)}\n`,
    ),
  }),
  ...casesOf('weight-map-path', {
    'positive-climbs/model.safetensors.index.json': json({
      weight_map: { a: '../../other/model.bin' },
    }),
    'positive-absolute/pytorch_model.bin.index.json': json({
      weight_map: { a: '/etc/weights.bin' },
    }),
    'positive-windows/model.safetensors.index.json': json({ weight_map: { a: '..\\x.bin' } }),
    'positive-url/model.safetensors.index.json': json({
      weight_map: { a: 'https://w.example/a.bin' },
    }),
    'negative-missing/model.safetensors.index.json': json({
      weight_map: { a: 'model-00001-of-00002.safetensors' },
    }),
  }),
  ...casesOf('weight-map-missing', {
    'positive-missing/model.safetensors.index.json': json({
      weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' },
    }),
    'negative-present/model.safetensors.index.json': json({ weight_map: { a: 'part.txt' } }),
    'negative-present/part.txt': text('stands for a shard\n'),
  }),
  ...casesOf('known-bad-file', {
    'positive-listed.txt': text(
      'narrowfire test file: on the list of known malicious files, and harmless\n',
    ),
    'positive-pointer.bin': text(
      'version https://git-lfs.github.com/spec/v1\noid sha256:87df9328175e3bf45c0b500b2cf4292a230fcf562efc4c385c33e59b2a94f0fc\nsize 73\n',
    ),
    'negative-other.txt': text('another file\n'),
  }),
  ...casesOf('secret-found', {
    // Made here from pieces, so that no scanner of this repository sees a token.
    'negative-examples.md': text(
      'Use AKIAIOSFODNN7EXAMPLE or hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.\n',
    ),
    'negative-words.py': text(
      'skip = "sk-learn"; hf_hub_download_with_some_very_long_function_name()\n',
    ),
  }),
  ...casesOf('hydra-target-dangerous', {
    'positive-block/conf.yaml': text('model:\n  _target_: os.system\n  command: echo inert\n'),
    'positive-flow/conf.yml': text('{ a: [ { "_target_": builtins.exec, _args_: ["pass"] } ] }\n'),
    'positive-escaped/conf.yaml': text('"\\x5ftarget_": subprocess.run\n'),
    'positive-inside.nemo': tar('./model_config.yaml', 'model:\n  _target_: os.system\n'),
    'positive-json/model_config.json': json({ encoder: { _target_: 'torch.hub.load' } }),
    'negative-inside.nemo': tar('./model_config.yaml', 'model:\n  _target_: torch.nn.Linear\n'),
    'negative-ordinary/conf.yaml': text('model:\n  _target_: torch.nn.Linear\n  in_features: 4\n'),
  }),
  ...casesOf('hydra-target-unknown', {
    'positive-own/conf.yaml': text('trainer:\n  _target_: company.training.Loop\n'),
    'negative-nemo/model_config.yaml': text(
      'encoder:\n  _target_: nemo.collections.asr.modules.ConformerEncoder\npreprocessor:\n  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor\n',
    ),
  }),
  ...casesOf('generation-override', {
    'positive-bias/generation_config.json': json({ sequence_bias: [[[45, 67], 10]] }),
    'positive-code/generation_config.json': json({ trust_remote_code: true }),
    'positive-endless/generation_config.json': json({ max_new_tokens: 1_000_000_000 }),
    'negative-chat/generation_config.json': json({
      bos_token_id: 1,
      do_sample: true,
      eos_token_id: [2, 7],
      max_new_tokens: 2048,
      repetition_penalty: 1.05,
      temperature: 0.7,
      top_p: 0.8,
    }),
    'negative-speech/generation_config.json': json({
      begin_suppress_tokens: [220, 50257],
      forced_decoder_ids: [[1, 50259]],
      max_length: 448,
      suppress_tokens: [1, 2, 7],
    }),
  }),
  ...casesOf('adapter-reference', {
    'positive-url/adapter_config.json': json({
      base_model_name_or_path: 'https://models.example/base',
    }),
    'positive-climbs/adapter_config.json': json({ base_model_name_or_path: '../../base' }),
    'negative-hub/adapter_config.json': json({ base_model_name_or_path: 'owner/base-model' }),
    'negative-left-over/adapter_config.json': json({ base_model_name_or_path: '/data/train/base' }),
  }),
];

export const CONFIG_CASES: readonly RuleCase[] = [...codeCases, ...referenceCases];
