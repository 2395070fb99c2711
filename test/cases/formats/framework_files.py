"""Writes model files with the frameworks themselves, ordinary and hostile (inert payloads).

    python test/cases/formats/framework_files.py test/fixtures/frameworks

Needs tensorflow-cpu (keras, h5py, numpy), onnx, gguf, safetensors, coremltools, xgboost, lightgbm, skops, scikit-learn, torch;
a part whose framework is missing is left out. Nothing here is run by the tests: they read the files.
"""
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
root = pathlib.Path(sys.argv[1])
ordinary, hostile = root / "ordinary", root / "hostile"


def part(function):
    """Runs one framework's part; a missing framework only skips it."""
    try:
        function()
        print("wrote", function.__name__)
    except ImportError as error:
        print("left out", function.__name__, error)


@part
def hdf5():
    import h5py

    for version in ("earliest", "latest"):
        with h5py.File(hostile / f"external-link-{version}.h5", "w", libver=version) as file:
            file.attrs["note"] = "links"
            group = file.create_group("weights")
            for i in range(40 if version == "latest" else 2):
                group[f"layer{i}"] = h5py.ExternalLink(f"../../secrets/{i}.h5", "/x")
        with h5py.File(hostile / f"external-storage-{version}.h5", "w", libver=version) as file:
            file.create_dataset("w", shape=(8,), dtype="f4", external=[("/etc/hostname", 0, 32)])
        with h5py.File(hostile / f"model-config-{version}.h5", "w", libver=version) as file:
            for i in range(40):
                file.attrs[f"extra{i}"] = i
            file.attrs["model_config"] = (
                '{"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda", "config":'
                ' {"function": ["aW5lcnQ=", null, null], "function_type": "lambda"}}]}}'
            )
    with h5py.File(ordinary / "datasets-latest.h5", "w", libver="latest") as file:
        for i in range(60):
            file.create_group(f"layer{i}").create_dataset("kernel", data=[float(i)])
            file.attrs[f"name{i}"] = f"value {i}"
        file["alias"] = h5py.SoftLink("/layer0")


@part
def keras_files():
    import keras

    keras.utils.set_random_seed(1)
    sequential = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)])
    sequential.compile("adam", "mse", metrics=["mae"])
    sequential.save(ordinary / "sequential.h5")
    sequential.save(ordinary / "sequential.keras")
    (ordinary / "sequential-architecture.json").write_text(sequential.to_json())
    tokens = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 8)(tokens)
    x = x + keras.layers.MultiHeadAttention(2, 4)(x, x)
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(4))(x)
    x = keras.layers.Dropout(0.1)(keras.ops.relu(x) * 2)
    functional = keras.Model(tokens, keras.layers.Dense(3, kernel_regularizer="l2")(x))
    functional.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10)), keras.losses.SparseCategoricalCrossentropy())
    functional.save(ordinary / "functional.keras")
    functional.save(ordinary / "functional.h5")
    words = keras.layers.TextVectorization(max_tokens=10)
    words.adapt(["a b c", "d e f"])
    keras.Sequential([keras.Input((1,), dtype="string"), words]).save(ordinary / "text.keras")
    squared = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * x)])
    squared.save(hostile / "lambda.keras")
    squared.save(hostile / "lambda.h5")


@part
def tensorflow_files():
    import numpy as np
    import tensorflow as tf

    class Affine(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(np.ones((4, 2), np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])
        def __call__(self, x):
            return tf.nn.relu(x @ self.w)

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def __call__(self, name):
            tf.io.write_file("/tmp/inert", name)
            return tf.io.read_file("/etc/hostname")

    class Calls(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([])])
        def __call__(self, x):
            return tf.py_function(lambda value: value, [x], tf.float32)

    tf.saved_model.save(Affine(), str(ordinary / "saved-model"))
    tf.saved_model.save(Reads(), str(hostile / "saved-model-files"))
    tf.saved_model.save(Calls(), str(hostile / "saved-model-python"))
    function = tf.function(lambda x: tf.matmul(x, tf.ones((4, 2)))).get_concrete_function(tf.TensorSpec([1, 4]))
    (ordinary / "frozen.pb").write_bytes(function.graph.as_graph_def().SerializeToString())
    reading = tf.function(lambda x: tf.io.read_file(x)).get_concrete_function(tf.TensorSpec([], tf.string))
    (hostile / "frozen-read.pb").write_bytes(reading.graph.as_graph_def().SerializeToString())
    affine = Affine()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([affine.__call__.get_concrete_function()], affine)
    (ordinary / "affine.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([reading])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    (hostile / "flex-read.tflite").write_bytes(converter.convert())


@part
def onnx_files():
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(np.ones((4, 2), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weights]))
    onnx.checker.check_model(model)
    onnx.save(model, ordinary / "plain.onnx")
    onnx.save_model(
        model, ordinary / "external.onnx", save_as_external_data=True, location="external.onnx_data", size_threshold=0
    )
    equal = helper.make_node("Equal", ["x", "magic"], ["same"])
    every = helper.make_node("ReduceMin", ["cast"], ["all"], keepdims=0)
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["b"])], "branch", [], [helper.make_tensor_value_info("b", 1, None)])
    nodes = [
        equal,
        helper.make_node("Cast", ["same"], ["cast"], to=TensorProto.INT32),
        every,
        helper.make_node("Cast", ["all"], ["condition"], to=TensorProto.BOOL),
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch),
    ]
    magic = numpy_helper.from_array(np.zeros((1, 4), np.float32), "magic")
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weights, magic])), hostile / "exact-branch.onnx")


@part
def gguf_file():
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(ordinary / "tiny.gguf", "llama")
    writer.add_block_count(1)
    writer.add_name("tiny")
    writer.add_token_list(["<s>", "a", "b"])
    writer.add_token_scores([0.0, 1.0, 2.0])
    writer.add_chat_template("{% for message in messages %}{{ message['content'] }}{% endfor %}")
    writer.add_tensor("token_embd.weight", np.ones((3, 32), np.float32))
    writer.add_tensor("odd", np.ones((5,), np.float16))
    writer.add_tensor("q", gguf.quants.quantize(np.ones((2, 64), np.float32), gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@part
def numpy_files():
    import numpy as np

    np.save(ordinary / "plain.npy", np.arange(6, dtype="<f4").reshape(2, 3))
    np.save(ordinary / "structured.npy", np.zeros(3, dtype=[("a", "<i4"), ("b", "<f8", (2,))]))
    np.save(ordinary / "empty.npy", np.zeros((0, 4)))
    np.savez(ordinary / "arrays.npz", a=np.ones(3), b=np.zeros((2, 2), "i8"))
    np.savez_compressed(ordinary / "compressed.npz", a=np.ones(300))


@part
def safetensors_file():
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"b": np.ones((2, 2), np.float32), "a": np.zeros(0, np.int64)}, ordinary / "plain.safetensors", {"format": "np"})


@part
def coreml_files():
    import coremltools as ct
    from coremltools.converters.mil import Builder as mb
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder([("x", datatypes.Array(3))], [("y", datatypes.Array(3))])
    builder.add_activation("relu", "RELU", "x", "y")
    ct.models.utils.save_spec(builder.spec, str(ordinary / "network.mlmodel"))
    layer = builder.spec.neuralNetwork.layers.add()
    layer.name = "own"
    layer.input.append("y")
    layer.output.append("z")
    layer.custom.className = "MyRelu"
    ct.models.utils.save_spec(builder.spec, str(hostile / "custom-layer.mlmodel"))

    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 3))])
    def program(x):
        return mb.relu(x=x)

    ct.convert(program, convert_to="mlprogram", skip_model_load=True).save(str(ordinary / "program.mlpackage"))


@part
def trees():
    import numpy as np

    import lightgbm
    import xgboost

    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(x, y), 2)
    booster.save_model(ordinary / "booster.json")
    booster.save_model(ordinary / "booster.ubj")
    lightgbm.train({"verbose": -1, "min_data_in_leaf": 1}, lightgbm.Dataset(x, y), 2).save_model(ordinary / "lightgbm.txt")


@part
def skops_files():
    import json
    import zipfile

    import numpy as np
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    skops.io.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y), ordinary / "pipeline.skops")
    skops.io.dump(FunctionTransformer(np.log1p).fit(x), ordinary / "function.skops")
    schema = {
        "__class__": "OperatorFuncNode", "__module__": "operator", "__loader__": "OperatorFuncNode", "__id__": 1,
        "attrs": {"__class__": "system", "__module__": "os", "__loader__": "TypeNode", "__id__": 2},
        "_skops_version": "0.11.0", "protocol": 2,
    }
    with zipfile.ZipFile(hostile / "operator.skops", "w") as archive:
        archive.writestr(zipfile.ZipInfo("schema.json"), json.dumps(schema))


@part
def torchscript_files():
    import torch
    from torch.package import PackageExporter

    class Gate(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)
            self.attention = torch.nn.MultiheadAttention(4, 2)

        def forward(self, x):
            y = self.linear(x)
            return self.attention(y, y, y)[0]

    class Reads(torch.nn.Module):
        def forward(self, x):
            return x + torch.from_file("/etc/hostname", False, 4)

    torch.jit.trace(Gate().eval(), torch.rand(3, 1, 4)).save(str(ordinary / "traced.pt"))
    linear = torch.nn.Sequential(torch.nn.Linear(4, 4))
    quantized = torch.ao.quantization.quantize_dynamic(linear, {torch.nn.Linear}, dtype=torch.qint8)
    torch.jit.script(quantized).save(str(ordinary / "quantized.pt"))
    torch.jit.script(Reads()).save(str(hostile / "torchscript-from-file.pt"))
    with PackageExporter(hostile / "torch-package.pt") as exporter:
        exporter.save_source_string("mymod", "x = 1")
        exporter.save_pickle("p", "o.pkl", {"a": 1})


@part
def torch_onnx():
    import torch

    class Encoder(torch.nn.Module):
        """Padding masks and the last token are found by comparing ids, as classifiers on decoders do."""

        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(20, 8, padding_idx=0)
            layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = torch.nn.Linear(8, 2)

        def forward(self, ids):
            mask = ids.eq(0)
            hidden = self.layers(self.embed(ids), src_key_padding_mask=mask).masked_fill(mask.unsqueeze(-1), 0.0)
            last = torch.ne(ids, 0).sum(-1) - 1
            return self.head(hidden[torch.arange(ids.shape[0]), last])

    ids = torch.randint(1, 20, (2, 7))
    path = str(ordinary / "torch-encoder.onnx")
    axes = {"ids": {0: "batch", 1: "sequence"}}
    torch.onnx.export(Encoder().eval(), (ids,), path, dynamo=False, input_names=["ids"], dynamic_axes=axes)
