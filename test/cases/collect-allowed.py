"""Writes the generated allow-lists in rules/pickle-unknown-callable/ from package sources.

Names are read with `ast`, or with `inspect` for compiled modules of the packages that are installed.
Usage: python collect-allowed.py WHEEL_FOLDER OUTPUT_FOLDER
The folder holds wheels of torch, torchvision, transformers, accelerate, trl, sentence-transformers and
ultralytics; numpy, scipy, scikit-learn, pandas, xgboost, lightgbm and catboost are installed.
"""
import ast, glob, importlib, inspect, json, pkgutil, re, sys, zipfile

WHEELS, OUT = sys.argv[1], sys.argv[2]


def emit(name, groups, note):
    lines = [f"{json.dumps(m)}: {json.dumps(sorted(set(groups[m])))}" for m in sorted(groups) if groups[m]]
    with open(f"{OUT}/allowed-{name}.json", "w") as f:
        f.write("{\n  " + ",\n  ".join(lines) + "\n}\n")
    print(f"{name}: {note}")


def top_level(source):
    classes, functions = [], []
    for node in ast.parse(source).body:
        nodes = [node]
        if isinstance(node, (ast.If, ast.Try)):
            nodes = node.body + node.orelse
        for inner in nodes:
            if isinstance(inner, ast.ClassDef):
                classes.append(inner.name)
            elif isinstance(inner, ast.FunctionDef):
                functions.append(inner.name)
    return classes, functions


def wheel_modules(pattern, keep):
    for path in glob.glob(f"{WHEELS}/{pattern}"):
        with zipfile.ZipFile(path) as wheel:
            for entry in wheel.namelist():
                if entry.endswith(".py") and re.match(keep, entry):
                    module = entry[:-3].replace("/", ".").removesuffix(".__init__")
                    try:
                        yield module, *top_level(wheel.read(entry))
                    except SyntaxError:
                        pass


def installed_classes(package, keep=".*", skip=r"\.(tests?|conftest|_build_utils|externals|datasets|testing)(\.|$)"):
    groups = {}
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, package + ".", onerror=lambda _: None):
        if re.search(skip, info.name) or not re.match(keep, info.name):
            continue
        try:
            module = importlib.import_module(info.name)
        except Exception:
            continue
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == info.name and value.__name__ == name:
                groups.setdefault(info.name, []).append(name)
            elif name == "newObj" or name.startswith("__pyx_unpickle_"):
                groups.setdefault(info.name, []).append(name)
    return groups


def functions_of(package_modules, groups):
    for name in package_modules:
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == name and not key.startswith("_"):
                groups.setdefault(name, []).append(key)


def old_names(groups):
    """scikit-learn before 0.22 had the same modules without the underscore."""
    more = {}
    for module, names in groups.items():
        parts = module.split(".")
        if len(parts) == 3 and parts[2].startswith("_") and not parts[2].startswith("__"):
            more[f"{parts[0]}.{parts[1]}.{parts[2][1:]}"] = names
    return {**more, **groups}


def sklearn():
    groups = installed_classes("sklearn")
    functions_of(
        ["sklearn.metrics._classification", "sklearn.metrics._regression", "sklearn.metrics._ranking",
         "sklearn.metrics.pairwise", "sklearn.feature_selection._univariate_selection",
         "sklearn.feature_selection._mutual_info"], groups)
    groups = old_names(groups)
    extra = {
        "sklearn.tree.tree": ["DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"],
        "sklearn.ensemble.forest": ["RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"],
        "sklearn.ensemble.gradient_boosting": ["GradientBoostingClassifier", "GradientBoostingRegressor", "BinomialDeviance", "MultinomialDeviance", "LeastSquaresError", "LogOddsEstimator", "MeanEstimator", "PriorProbabilityEstimator", "ZeroEstimator"],
        "sklearn.ensemble._gb_losses": ["BinomialDeviance", "MultinomialDeviance", "LeastSquaresError", "LeastAbsoluteError", "HuberLossFunction", "QuantileLossFunction", "ExponentialLoss"],
        "sklearn.neighbors.classification": ["KNeighborsClassifier", "RadiusNeighborsClassifier"],
        "sklearn.neighbors.dist_metrics": ["newObj", "EuclideanDistance", "ManhattanDistance", "MinkowskiDistance"],
        "sklearn.neighbors._dist_metrics": ["newObj", "EuclideanDistance", "ManhattanDistance", "MinkowskiDistance"],
        "sklearn.neighbors.kd_tree": ["newObj", "KDTree"],
        "sklearn.neighbors.ball_tree": ["newObj", "BallTree"],
        "sklearn.linear_model.logistic": ["LogisticRegression"],
        "sklearn.linear_model.sgd_fast": ["Hinge", "Log", "Huber", "ModifiedHuber", "SquaredLoss", "SquaredHinge"],
        "sklearn.linear_model._sgd_fast": ["Hinge", "Log", "Huber", "ModifiedHuber", "SquaredLoss", "SquaredHinge"],
        "sklearn.svm.classes": ["SVC", "SVR", "LinearSVC", "LinearSVR", "NuSVC", "OneClassSVM"],
        "sklearn.preprocessing.data": ["StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler", "Normalizer", "PolynomialFeatures", "QuantileTransformer", "PowerTransformer", "OneHotEncoder", "Binarizer"],
        "sklearn.preprocessing.label": ["LabelEncoder", "LabelBinarizer", "MultiLabelBinarizer"],
        "sklearn.preprocessing.imputation": ["Imputer"],
        "sklearn.cluster.k_means_": ["KMeans", "MiniBatchKMeans"],
        "sklearn.decomposition.pca": ["PCA"],
        "sklearn.externals.joblib.numpy_pickle": ["NumpyArrayWrapper", "NDArrayWrapper"],
        "sklearn.utils": ["Bunch"],
        "sklearn.cluster._kmeans": ["_kmeans_single_lloyd", "_kmeans_single_elkan", "lloyd_iter_chunked_dense", "elkan_iter_chunked_dense"],
        "sklearn.utils.deprecation": ["DeprecationDict"],
    }
    for module, names in extra.items():
        groups.setdefault(module, []).extend(names)
    emit("sklearn", groups, "Generated from scikit-learn: classes, rebuild functions, metric functions; old module names added.")


def scientific():
    groups = installed_classes("scipy", r"scipy\.(sparse|stats|interpolate|spatial|optimize|signal)(\.|$)")
    for old in ["csr", "csc", "coo", "dia", "bsr", "lil", "dok"]:
        groups.setdefault(f"scipy.sparse.{old}", []).append(f"{old}_matrix")
    groups.setdefault("scipy.spatial.ckdtree", []).append("cKDTree")
    groups.setdefault("scipy.special", []).extend(["expit", "logit", "softmax"])
    functions_of(["scipy.spatial.distance"], groups)
    for backend in ["numpy", "torch", "cupy"]:
        groups[f"scipy._lib.array_api_compat.{backend}._aliases"] = ["asarray"]
    emit("scipy", groups, "Generated from scipy: classes of sparse, stats, interpolate, spatial, optimize, signal.")
    groups = installed_classes("pandas", r"pandas\.(core\.(arrays|indexes|internals|dtypes|series|frame|generic|base|flags|groupby)|_libs)(\.|$)")
    base = {
        "pandas": ["StringDtype", "Int64Dtype", "Float64Dtype", "BooleanDtype", "PeriodDtype", "IntervalDtype", "DatetimeTZDtype", "SparseDtype", "DataFrame", "Series", "Index", "RangeIndex", "MultiIndex", "Timestamp", "Timedelta", "Interval", "NaT", "NA", "Categorical", "CategoricalDtype"],
        "pandas.arrays": ["DatetimeArray", "TimedeltaArray", "PeriodArray", "IntervalArray", "IntegerArray", "FloatingArray", "BooleanArray", "StringArray", "SparseArray", "NumpyExtensionArray", "ArrowStringArray", "ArrowExtensionArray"],
        "pandas.core.indexes.base": ["_new_Index"],
        "pandas.core.indexes.datetimes": ["_new_DatetimeIndex"],
        "pandas.core.indexes.period": ["_new_PeriodIndex"],
        "pandas.core.indexes.multi": ["MultiIndex"],
        "pandas.core.indexes.numeric": ["Int64Index", "Float64Index", "UInt64Index"],
        "pandas.core.indexes.range": ["RangeIndex"],
        "pandas.core.index": ["_new_Index", "Index", "Int64Index", "MultiIndex"],
        "pandas.indexes.base": ["_new_Index", "Index"],
        "pandas.indexes.numeric": ["Int64Index"],
        "pandas.indexes.range": ["RangeIndex"],
        "pandas._libs.internals": ["_unpickle_block", "BlockPlacement"],
        "pandas._libs.arrays": ["__pyx_unpickle_NDArrayBacked", "NDArrayBacked"],
        "pandas._libs.tslibs.timestamps": ["_unpickle_timestamp", "Timestamp"],
        "pandas._libs.tslibs.timedeltas": ["_timedelta_unpickle", "Timedelta"],
        "pandas._libs.tslibs.nattype": ["_nat_unpickle", "NaTType", "__nat_unpickle"],
        "pandas._libs.tslibs.period": ["Period"],
        "pandas._libs.missing": ["NA", "NAType"],
        "pandas._libs.tslib": ["_unpickle_timestamp", "Timestamp"],
        "pandas.core.internals.blocks": ["new_block", "ensure_block_shape"],
        "pandas.core.internals": ["BlockManager", "SingleBlockManager"],
        "pandas.core.dtypes.dtypes": ["CategoricalDtype", "DatetimeTZDtype"],
    }
    for module, names in base.items():
        groups.setdefault(module, []).extend(names)
    emit("pandas", groups, "Generated from pandas: data classes and their rebuild functions, old module names added.")
    groups = {}
    for package in ["xgboost", "lightgbm", "catboost"]:
        for module, names in installed_classes(package, rf"{package}\.(core|sklearn|basic|engine|callback|compat|libpath)$").items():
            groups[module] = [n for n in names if n not in ("DMatrix", "QuantileDMatrix", "DataIter", "ExtMemQuantileDMatrix", "Dataset", "Sequence")]
    groups.setdefault("xgboost.core", []).append("Booster")
    groups.setdefault("lightgbm.engine", []).append("CVBooster")
    groups.setdefault("catboost.core", []).extend(["CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"])
    groups["catboost._catboost"] = ["_CatBoost"]
    groups["xgboost.compat"] = ["XGBoostLabelEncoder"]
    groups["imblearn.pipeline"] = ["Pipeline"]
    emit("boosting", groups, "Generated from xgboost, lightgbm and catboost: boosters and estimators; data loaders left out.")


def torch():
    groups = {}
    for module, classes, functions in wheel_modules(
        "torch-2*.whl",
        r"torch/(nn/(modules|parameter|utils/parametrizations|utils/parametrize|utils/weight_norm|utils/spectral_norm|quantized|intrinsic|qat|backends|functional)|"
        r"optim|distributions|ao/(nn|quantization/(observer|fake_quantize|qconfig|stubs))|quantization)",
    ):
        groups.setdefault(module, []).extend(classes)
        if module == "torch.nn.functional":
            groups[module].extend(functions)
    for module, names in {
        "torch": """ScriptObject Tensor Size Generator device dtype layout memory_format Storage
            FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage
            ComplexFloatStorage ComplexDoubleStorage QUInt8Storage QInt8Storage QInt32Storage QUInt4x2Storage QUInt2x4Storage
            FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor
            float float16 float32 float64 half double bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 long int short bool
            complex32 complex64 complex128 quint8 qint8 qint32 quint4x2 quint2x4 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu
            strided sparse_coo sparse_csr contiguous_format channels_last preserve_format per_tensor_affine per_channel_affine
            per_tensor_symmetric per_channel_symmetric tanh sigmoid relu softmax cat add""".split(),
        "torch.cuda": "FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage FloatTensor HalfTensor DoubleTensor LongTensor".split(),
        "torch.storage": ["UntypedStorage", "TypedStorage", "_TypedStorage", "_UntypedStorage", "_LegacyStorage", "_load_from_bytes"],
        "torch._utils": """_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_v2 _rebuild_parameter_with_state
            _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor _rebuild_device_tensor_from_numpy
            _rebuild_device_tensor_from_cpu_tensor _rebuild_meta_tensor_no_storage _rebuild_wrapper_subclass _rebuild_xla_tensor _rebuild_mlc_tensor""".split(),
        "torch._tensor": ["_rebuild_from_type", "_rebuild_from_type_v2", "Tensor"],
        "torch.tensor": ["_rebuild_from_type", "_rebuild_from_type_v2"],
        "torch.serialization": ["_get_layout"],
        "torch._C": ["FloatStorageBase", "Generator"],
        "torch.nn.parameter": ["Parameter", "Buffer", "UninitializedParameter"],
        "torch.nn": ["Parameter"],
        "torch.functional": ["norm", "einsum"],
        "torch._C._nn": ["gelu", "silu", "relu6", "softplus", "log_sigmoid", "hardtanh", "hardsigmoid", "hardswish", "leaky_relu", "elu_", "linear", "mish", "one_hot", "scaled_dot_product_attention"],
        "torch.jit._pickle": ["build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "build_tensor_from_id", "restore_type_tag"],
        "__torch__": ["*"],
        "torch.utils.data.dataset": ["TensorDataset", "Subset"],
        "torch.distributed._shard.api": ["_shard_tensor"],
        "torch.random": ["Generator"],
    }.items():
        groups.setdefault(module, []).extend(names)
    groups["torch.distributed._shard.api"] = []
    for module, classes, _ in wheel_modules("torchvision*.whl", r"torchvision/(models|ops|transforms)/"):
        groups.setdefault(module, []).extend(classes)
    emit("torch", groups, "Generated from torch and torchvision: modules, optimisers, distributions, tensor and storage rebuild functions.")


ARCHITECTURES = """albert bart beit bert blip bloom camembert clip convnext convnextv2 cohere deberta deberta_v2 deit detr dinov2 distilbert
electra encoder_decoder falcon gemma gemma2 gpt2 gpt_bigcode gpt_neo gpt_neox gptj hubert layoutlm layoutlmv3 llama longformer m2m_100 marian mbart
mistral mixtral mobilebert mobilevit mpnet mpt mt5 opt pegasus phi phi3 qwen2 qwen3 roberta segformer sam siglip speech_encoder_decoder
swin t5 trocr vilt vision_encoder_decoder vit wav2vec2 wavlm whisper xlm_roberta xlnet""".split()


def transformers():
    groups = {}
    for module, classes, _ in wheel_modules("transformers*.whl", r"transformers/(activations|training_args\w*|trainer_utils|trainer_pt_utils|trainer_callback|debug_utils|modeling_outputs|generation/configuration_utils|configuration_utils|modelcard|tokenization_utils\w*|integrations/deepspeed|utils/generic|utils/quantization_config|modeling_layers|modeling_utils|image_processing_base|feature_extraction_utils|pytorch_utils|cache_utils)\.py"):
        groups.setdefault(module, []).extend(classes)
    for module, classes, _ in wheel_modules("transformers*.whl", rf"transformers/models/({'|'.join(ARCHITECTURES)})/(configuration|modeling|tokenization|feature_extraction|image_processing|processing)_\w+\.py"):
        groups.setdefault(module, []).extend(classes)
    for module, classes, _ in wheel_modules("accelerate*.whl", r"accelerate/(state|utils/dataclasses|optimizer|scheduler)\.py"):
        groups.setdefault(module, []).extend(classes)
    for module, classes, _ in wheel_modules("trl*.whl", r"trl/.*config\w*\.py"):
        groups.setdefault(module, []).extend(classes)
    for module, classes, _ in wheel_modules("sentence_transformers*.whl", r"sentence_transformers/(training_args|models/|SentenceTransformer|losses/|sentence_transformer/(training_args|modules|model|losses)|base/)"):
        groups.setdefault(module, []).extend(classes)
    for module, names in {
        "transformers.training_args": ["TrainingArguments", "OptimizerNames", "ParallelMode"],
        "transformers.training_args_seq2seq": ["Seq2SeqTrainingArguments"],
        "transformers.trainer_utils": ["IntervalStrategy", "SchedulerType", "HubStrategy", "SaveStrategy", "EvaluationStrategy", "FSDPOption"],
        "transformers.tokenization_utils_base": ["BatchEncoding"],
        "transformers.trainer_callback": ["TrainerState", "TrainerControl"],
        "accelerate.state": ["PartialState", "AcceleratorState", "DistributedType"],
        "accelerate.utils.dataclasses": ["DistributedType", "DeepSpeedPlugin"],
        "trl.trainer.sft_config": ["SFTConfig"], "trl.trainer.dpo_config": ["DPOConfig"], "trl.trainer.grpo_config": ["GRPOConfig"],
        "trl.trainer.ppo_config": ["PPOConfig"], "trl.trainer.reward_config": ["RewardConfig"], "trl.trainer.orpo_config": ["ORPOConfig"], "trl.trainer.kto_config": ["KTOConfig"],
        "tokenizers": ["Tokenizer", "AddedToken", "Encoding"],
        "tokenizers.models": ["Model", "BPE", "WordPiece", "Unigram", "WordLevel"],
        "llamafactory.hparams.training_args": ["TrainingArguments"],
        "sentence_transformers.training_args": ["SentenceTransformerTrainingArguments", "BatchSamplers", "MultiDatasetBatchSamplers"],
        "sentence_transformers.SentenceTransformer": ["SentenceTransformer"],
        "sentence_transformers.models.Transformer": ["Transformer"], "sentence_transformers.models.Pooling": ["Pooling"], "sentence_transformers.models.Normalize": ["Normalize"],
        "setfit.training_args": ["TrainingArguments"],
        "pytorch_lightning.utilities.parsing": ["AttributeDict"], "lightning_fabric.utilities.data": ["AttributeDict"],
        "lightning.fabric.utilities.data": ["AttributeDict"], "pytorch_lightning.callbacks.model_checkpoint": ["ModelCheckpoint"],
        "pytorch_lightning.callbacks.early_stopping": ["EarlyStopping"], "lightning.pytorch.callbacks.model_checkpoint": ["ModelCheckpoint"],
        "omegaconf.dictconfig": ["DictConfig"], "omegaconf.listconfig": ["ListConfig"], "omegaconf.base": ["Metadata", "ContainerMetadata"],
        "omegaconf.nodes": ["AnyNode", "StringNode", "IntegerNode", "FloatNode", "BooleanNode"],
        "fairseq.data.dictionary": ["Dictionary"],
        "easydict": ["EasyDict"], "addict.addict": ["Dict"], "yacs.config": ["CfgNode"], "fvcore.common.config": ["CfgNode"],
        "mmcv.utils.config": ["ConfigDict"], "mmengine.config.config": ["ConfigDict"], "mmengine.logging.history_buffer": ["HistoryBuffer"],
    }.items():
        groups.setdefault(module, []).extend(names)
    emit("transformers", groups, "Generated from transformers, accelerate, trl and sentence-transformers: training arguments, configurations, modules of common architectures; plain configuration containers of other trainers.")


def ultralytics():
    groups = {}
    for module, classes, _ in wheel_modules("ultralytics*.whl", r"ultralytics/(nn/(modules|tasks)|utils/(__init__|loss|tal|torch_utils|metrics)|cfg/)"):
        groups.setdefault(module, []).extend(classes)
    groups.setdefault("ultralytics.utils", []).extend(["IterableSimpleNamespace", "SimpleClass"])
    nn = sorted({n for m, ns in groups.items() if m.startswith("ultralytics.nn") for n in ns})
    groups["ultralytics.nn.modules"] = nn
    groups["ultralytics.yolo.utils"] = ["IterableSimpleNamespace", "SimpleClass"]
    groups["ultralytics.yolo.utils.loss"] = ["v8DetectionLoss", "BboxLoss"]
    groups["ultralytics.yolo.utils.tal"] = ["TaskAlignedAssigner"]
    groups["models.yolo"] = ["Model", "Detect", "Segment", "DetectionModel", "SegmentationModel", "ClassificationModel", "BaseModel", "IDetect", "IAuxDetect", "IBin"]
    groups["models.common"] = sorted(set(nn) & {"Conv", "DWConv", "Bottleneck", "BottleneckCSP", "C3", "C3TR", "C3Ghost", "SPP", "SPPF", "Focus", "GhostConv", "GhostBottleneck", "Concat", "Classify", "Proto"}) + ["Contract", "Expand", "AutoShape", "Detections", "MP", "SP", "ReOrg", "RepConv", "SPPCSPC", "Shortcut", "Chuncat", "Foldcut"]
    groups["models.experimental"] = ["Ensemble", "CrossConv", "MixConv2d"]
    groups["utils.loss"] = ["ComputeLoss"]
    emit("ultralytics", groups, "Generated from ultralytics, with the module names of YOLOv5, v7 and early v8 checkpoints.")


sklearn(); scientific(); torch(); transformers(); ultralytics()
