"""Writes the pickle cases under rules/. Payloads are inert: they would print `narrowfire-inert`.

Usage: python make_pickle_cases.py REPOSITORY_ROOT
Every stream is assembled from opcodes by hand, so no dangerous object is ever built here.
"""
import io, os, struct, sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else "."
CMD = "echo narrowfire-inert"


def t(text):
    raw = text.encode()
    return (b"\x8c" + bytes([len(raw)]) + raw) if len(raw) < 256 else b"X" + struct.pack("<I", len(raw)) + raw


def g(module, name):
    return f"c{module}\n{name}\n".encode()


def sg(module, name):
    return t(module) + t(name) + b"\x93"


def tup(*parts):
    if len(parts) == 0:
        return b")"
    if len(parts) <= 3:
        return b"".join(parts) + bytes([0x84 + len(parts)])
    return b"(" + b"".join(parts) + b"t"


def call(callee, *args):
    return callee + tup(*args) + b"R"


def b(raw):
    return (b"C" + bytes([len(raw)]) + raw) if len(raw) < 256 else b"B" + struct.pack("<I", len(raw)) + raw


def i(number):
    return b"K" + bytes([number]) if 0 <= number < 256 else b"J" + struct.pack("<i", number)


def lst(*parts):
    return b"](" + b"".join(parts) + b"e"


def dct(*pairs):
    return b"}(" + b"".join(k + v for k, v in pairs) + b"u"


def p(body, protocol=4):
    return b"\x80" + bytes([protocol]) + body + b"."


def write(rule, name, data):
    folder = os.path.join(ROOT, "rules", rule, "cases")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


SYSTEM = g("posix", "system")
RUN = call(SYSTEM, t(CMD))
GADGET = "pickle-known-gadget"
UNKNOWN = "pickle-unknown-callable"

# Plain calls in every protocol and with every calling opcode.
write(GADGET, "positive-reduce-protocol0.pkl", b"cos\nsystem\n(S'" + CMD.encode() + b"'\ntR.")
write(GADGET, "positive-reduce-protocol2.pkl", p(g("os", "system") + tup(t(CMD)) + b"R", 2))
write(GADGET, "positive-stack-global.pkl", p(call(sg("posix", "system"), t(CMD))))
write(GADGET, "positive-inst.pkl", b"(S'" + CMD.encode() + b"'\nios\nsystem\n.")
write(GADGET, "positive-obj.pkl", b"(cos\nsystem\nS'" + CMD.encode() + b"'\no.")
write(GADGET, "positive-obj-then-pop.pkl", p(b"(" + g("os", "system") + t(CMD) + b"o0N"))
write(GADGET, "positive-newobj-ex.pkl", p(g("subprocess", "Popen") + tup(t(CMD)) + b"}\x92"))
write(GADGET, "positive-builtin-eval.pkl", p(call(g("builtins", "eval"), t("print('narrowfire-inert')"))))
write(GADGET, "positive-python2-builtin-exec.pkl", p(call(g("__builtin__", "execfile"), t("/tmp/narrowfire-inert")), 2))
write(GADGET, "positive-python2-commands.pkl", b"ccommands\ngetoutput\n(S'" + CMD.encode() + b"'\ntR.")
write(GADGET, "positive-imported-not-called.pkl", p(lst(g("os", "system"))))

# Names missing from block-lists.
MISSING = {
    "pip-main": ("pip", "main"), "timeit": ("timeit", "timeit"), "cprofile": ("cProfile", "run"), "runctx": ("cProfile", "runctx"),
    "profile": ("profile", "run"), "profile-class": ("profile", "Profile.run"), "trace": ("trace", "Trace.run"), "idlelib-pyshell": ("idlelib.pyshell", "ModifiedInterpreter.runcode"),
    "idlelib-autocomplete": ("idlelib.autocomplete", "AutoComplete.get_entity"), "idlelib-calltip": ("idlelib.calltip", "get_entity"),
    "idlelib-debugobj": ("idlelib.debugobj", "ObjectTreeItem.SetText"), "idlelib-run": ("idlelib.run", "Executive.runcode"), "code": ("code", "InteractiveInterpreter.runcode"),
    "doctest": ("doctest", "debug_script"), "ensurepip": ("ensurepip", "_run_pip"), "lib2to3": ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
    "ctypes": ("ctypes", "CDLL"), "distutils": ("distutils.file_util", "write_file"), "pty": ("pty", "spawn"), "f2py": ("numpy.f2py.crackfortran", "getlincoef"),
    "torch-collect-env": ("torch.utils.collect_env", "run"), "torch-bottleneck": ("torch.utils.bottleneck.__main__", "run_cprofile"), "torch-datapipes": ("torch.utils.data.datapipes.utils.decoder", "basichandlers"),
    "torch-exec-wrapper": ("torch.jit.unsupported_tensor_ops", "execWrapper"), "torch-guards": ("torch._dynamo.guards", "GuardBuilder.get"),
    "torch-shape-env": ("torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression"), "torch-config": ("torch.utils._config_module", "ConfigModule.load_config"),
    "torch-inductor": ("torch._inductor.codecache", "compile_file"), "torch-hub": ("torch.hub", "load"), "torch-distributed-rpc": ("torch.distributed.rpc", "rpc_sync"), "torch-load": ("torch", "load"), "uuid": ("uuid", "_get_command_stdout"), "imaplib": ("imaplib", "IMAP4_stream"),
    "test-support": ("test.support.script_helper", "assert_python_ok"), "osx-support": ("_osx_support", "_read_output"), "aix-support": ("_aix_support", "_read_cmd_output"), "pyrepl": ("_pyrepl.pager", "pipe_pager"),
    "spawnv-passfds": ("multiprocessing.util", "spawnv_passfds"), "mlflow": ("mlflow.projects.backend.local", "_run_entry_point"), "pandas-eval": ("pandas.core.computation.eval", "eval"), "pandas-read-pickle": ("pandas", "read_pickle"),
    "asyncio-child": ("asyncio.unix_events", "_UnixSubprocessTransport._start"), "joblib-load": ("joblib", "load"), "numpy-load": ("numpy", "load"), "runpy": ("runpy", "run_path"), "webbrowser": ("webbrowser", "open"),
    "shutil": ("shutil", "rmtree"), "urlretrieve": ("urllib.request", "urlretrieve"), "socket": ("socket", "create_connection"), "marshal": ("marshal", "loads"), "pickle-loads": ("pickle", "loads"), "bdb": ("bdb", "Bdb.run"),
    "pdb": ("pdb", "run"), "importlib-loader": ("importlib.machinery", "SourceFileLoader"), "keras-lambda": ("keras.src.saving.saving_lib", "load_model"), "numpy-vectorize": ("numpy", "vectorize"),
    "logging-config": ("logging.config", "listen"), "cloudpickle-loads": ("cloudpickle", "loads"), "dill-loads": ("dill", "loads"), "numexpr": ("numexpr", "evaluate"), "requests": ("requests.api", "post"),
    "generator-ctor": ("numpy.random._pickle", "os.system"), "sqlite": ("sqlite3", "connect"), "gc": ("gc", "get_objects"), "unknown-framework-function": ("torch.somewhere", "compile_and_run"),
}
for case, (module, name) in MISSING.items():
    body = sg(module, name) if "." in name else g(module, name)
    write(GADGET, f"positive-missing-{case}.pkl", p(call(body, t(CMD))))

# Indirection to a callable.
IMPORT = g("importlib", "import_module")
GETATTR = g("builtins", "getattr")
GETTER = g("operator", "attrgetter")
PARTIAL = g("functools", "partial")
INDIRECT = {
    "getattr": call(call(GETATTR, g("os", "path"), t("os.system")), t(CMD)),
    "import-module": call(call(GETATTR, call(IMPORT, t("os")), t("system")), t(CMD)),
    "dunder-import": call(call(GETATTR, call(g("builtins", "__import__"), t("os")), t("system")), t(CMD)),
    "resolve-name": call(call(g("pkgutil", "resolve_name"), t("os:system")), t(CMD)),
    "pydoc-locate": call(call(g("pydoc", "locate"), t("os.system")), t(CMD)),
    "attrgetter": call(call(call(GETTER, t("system")), call(IMPORT, t("posix"))), t(CMD)),
    "attrgetter-import": call(call(call(GETTER, t("__import__")), call(IMPORT, t("builtins"))), t("os")),
    "methodcaller": call(call(g("operator", "methodcaller"), t("system"), t(CMD)), call(IMPORT, t("os"))),
    "partial": call(call(PARTIAL, g("os", "system"), t(CMD))),
    "partial-build": PARTIAL + tup(g("builtins", "print")) + b"R" + tup(g("os", "system"), tup(t(CMD)), b"}", b"N") + b"b",
    "str-join": call(call(GETATTR, call(IMPORT, call(call(GETATTR, t(""), t("join")), lst(t("o"), t("s")))), call(call(GETATTR, t(""), t("join")), lst(t("sys"), t("tem")))), t(CMD)),
    "str-join-unbound": call(call(g("pkgutil", "resolve_name"), call(sg("builtins", "str.join"), t("."), lst(t("os"), t("system")))), t(CMD)),
    "percent-format": call(call(g("pydoc", "locate"), call(g("operator", "mod"), t("%s.%s"), tup(t("os"), t("system")))), t(CMD)),
    "operator-add": call(call(g("pydoc", "locate"), call(g("operator", "add"), t("os.sys"), t("tem"))), t(CMD)),
    "rot13": call(call(g("pydoc", "locate"), call(g("codecs", "decode"), t("bf.flfgrz"), t("rot13"))), t(CMD)),
    "reversed-join": call(call(g("pydoc", "locate"), call(call(GETATTR, t(""), t("join")), call(g("builtins", "reversed"), t("metsys.so")))), t(CMD)),
    "base64": call(call(g("pydoc", "locate"), call(call(GETATTR, call(g("base64", "b64decode"), t("b3Muc3lzdGVt")), t("decode")))), t(CMD)),
    "map": call(g("builtins", "list"), call(g("builtins", "map"), call(GETATTR, call(IMPORT, t("os")), t("system")), lst(t(CMD)))),
    "reduce": call(g("functools", "reduce"), GETATTR, lst(t("system")), call(IMPORT, t("os"))),
    "sys-modules": call(call(GETATTR, call(g("operator", "getitem"), g("sys", "modules"), t("os")), t("system")), t(CMD)),
    "module-dict": call(call(g("operator", "getitem"), call(g("builtins", "vars"), call(IMPORT, t("os"))), t("system")), t(CMD)),
    "method-type": call(call(g("types", "MethodType"), g("os", "system"), t(CMD))),
    "rebuild-from-type": call(g("torch._tensor", "_rebuild_from_type_v2"), g("os", "system"), g("torch", "Tensor"), tup(t(CMD)), b"N"),
    "ufunc-reconstruct": call(call(sg("numpy.core", "_ufunc_reconstruct"), t("os"), t("system")), t(CMD)),
    "reconstructor-base": call(g("copy_reg", "_reconstructor"), g("builtins", "object"), g("subprocess", "Popen"), t(CMD)),
    "dill-import": call(call(g("dill._dill", "_get_attr"), call(g("dill._dill", "_import_module"), t("os")), t("system")), t(CMD)),
    "dill-repr": call(g("dill._dill", "_eval_repr"), t("print('narrowfire-inert')")),
    "generator-ctor": call(g("numpy.random._pickle", "__generator_ctor"), t(CMD), g("os", "system")),
    "planted-setstate": g("collections", "OrderedDict") + b")R" + dct((t("__setstate__"), call(GETATTR, call(IMPORT, t("os")), t("system")))) + b"b" + t(CMD) + b"b",
    "computed-stack-global": call(call(sg("builtins", "str.lower"), t("OS")) + t("system") + b"\x93", t(CMD)),
    "call-dunder": call(call(GETATTR, g("os", "system"), t("__call__")), t(CMD)),
}
for case, body in INDIRECT.items():
    write(GADGET, f"positive-indirect-{case}.pkl", p(body))

# Dotted names, children of modules, private aliases, trust in a root package.
DOTTED = {
    "numpy-os": ("numpy", "os.system"), "random-private": ("random", "_os.system"), "torch-serialization": ("torch.serialization", "os.system"),
    "builtins-through": ("numpy", "__builtins__"), "globals-through": ("collections", "OrderedDict.__init__.__globals__"), "subclasses": ("builtins", "object.__subclasses__"),
    "torch-ops": ("torch", "ops.load_library"), "pathlib-read": ("pathlib", "Path.read_text"), "code-of": ("numpy", "mean.__code__"), "shutil-os": ("shutil", "os.system"),
}
for case, (module, name) in DOTTED.items():
    write(GADGET, f"positive-dotted-{case}.pkl", p(call(sg(module, name), t(CMD))))
write(GADGET, "positive-root-numpy-size-build.pkl", p(sg("numpy", "size") + dct((t("__builtins__"), sg("numpy", "__builtins__"))) + b"b" + tup(t("x")) + b"R"))

# Memo and stack tricks.
write(GADGET, "positive-memo-overwritten.pkl", p(t("print") + b"q\x010" + t("system") + b"q\x010" + t("os") + b"h\x01\x93" + tup(t(CMD)) + b"R"))
write(GADGET, "positive-memo-text-keys.pkl", b"Vos\np 1\n0Vsystem\np+0_2\n0g01\ng2\n\x93(V" + CMD.encode() + b"\ntR.")
write(GADGET, "positive-marks-and-pops.pkl", p(b"(((1" + b"(K\x011" + b"N0" + g("os", "system") + b"2" + b"0" + tup(t(CMD)) + b"R"))
write(GADGET, "positive-dup-callee.pkl", p(g("os", "system") + b"2" + tup(t(CMD)) + b"R0" + b"0N"))
write(GADGET, "positive-after-missing-memo.pkl", p(b"h\x630" + RUN))
write(GADGET, "positive-repeated-proto.pkl", p(b"\x80\x02\x80\x04" + RUN))
write(GADGET, "positive-frame-lies.pkl", p(b"\x95" + struct.pack("<Q", 3) + RUN))
write(GADGET, "positive-protocol5-buffer.pkl", p(b"\x97\x980" + RUN, 5))

# Code first, then a broken stream; several pickles; unusual heads.
write(GADGET, "positive-broken-after-call.pkl", b"\x80\x04" + RUN + b"\xff\xff\xff")
write(GADGET, "positive-broken-protocol0.bin", b"cos\nsystem\n(S'" + CMD.encode() + b"'\ntR" + b"\x00" * 8)
write(GADGET, "positive-second-pickle.pkl", p(b"N") + p(t("data")) + p(RUN))
write(GADGET, "positive-torch-legacy-magic-by-call.pt", p(call(g("builtins", "eval"), t("0x1950a86a20f9469cfc6c")), 2) + p(b"M\xe9\x03", 2) + p(b"}", 2) + p(b"}", 2) + p(b"]", 2))
write(GADGET, "positive-extension-spoof.safetensors", p(RUN))
write(GADGET, "positive-extension-spoof.txt", p(RUN))
write(GADGET, "positive-extension-spoof-config.json", b"cos\nsystem\n(S'" + CMD.encode() + b"'\ntR.")
write(GADGET, "positive-no-extension", p(RUN))

# Pickles inside pickles.
write(GADGET, "positive-nested-bytes.pkl", p(call(g("torch.storage", "_load_from_bytes"), b(p(RUN)))))
write(GADGET, "positive-nested-latin1.pkl", p(call(g("torch.storage", "_load_from_bytes"), call(g("_codecs", "encode"), b"X" + struct.pack("<I", len(p(RUN, 2).decode("latin1").encode())) + p(RUN, 2).decode("latin1").encode(), t("latin1"))), 2))

# A joblib array whose raw bytes are a pickle program for plain pickle.load.
wrapper = g("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81"
raw = RUN + b"0N."
dtype = call(g("numpy", "dtype"), t("u1"), i(0), i(1))
state = dct((t("subclass"), g("numpy", "ndarray")), (t("shape"), tup(i(len(raw)))), (t("order"), t("C")), (t("dtype"), dtype), (t("allow_mmap"), b"\x89"))
write(GADGET, "positive-joblib-array-as-opcodes.joblib", b"\x80\x04" + wrapper + state + b"b" + raw + b".")
objects = dct((t("subclass"), g("numpy", "ndarray")), (t("shape"), tup(i(1))), (t("order"), t("C")), (t("dtype"), call(g("numpy", "dtype"), t("O8"), i(0), i(1))), (t("allow_mmap"), b"\x89"))
write(GADGET, "positive-joblib-object-array.joblib", b"\x80\x04" + wrapper + objects + b"b" + p(lst(RUN)) + b".")

# A code object that names what it needs.
code = call(g("types", "CodeType"), i(0), i(0), i(0), i(1), i(2), i(67), b(b"t\x00"), tup(b"N"), tup(t("system")), tup(), t("x.py"), t("f"), i(1), b(b""))
write(GADGET, "positive-code-object.pkl", p(call(call(g("types", "FunctionType"), code, b"}"))))
write(GADGET, "positive-dill-code.pkl", p(call(g("dill._dill", "_create_function"), call(g("dill._dill", "_create_code"), i(0), tup(t("popen"))), b"}")))

# Benign.
write(GADGET, "negative-plain-data.pkl", p(dct((t("os"), t("system")), (t("lr"), i(1)))))
write(GADGET, "negative-text-about-pickle.txt", b"cos and system are words; os.system('x') is text.\n")
write(GADGET, "negative-opcode-like-length.safetensors", struct.pack("<Q", 11923) + b"{" + b" " * 11921 + b"}")
write(GADGET, "negative-dill-range.pkl", p(call(g("dill._dill", "_eval_repr"), t("range(0, 3)"))))
write(GADGET, "negative-ordered-dict.pkl", p(g("collections", "OrderedDict") + b")R" + t("k") + i(1) + b"s", 2))

# Unknown and unresolved.
write(UNKNOWN, "positive-private-class.pkl", p(g("myproject.model", "Net") + b")\x81}b"))
write(UNKNOWN, "positive-main-class.pkl", p(g("__main__", "Config") + b")\x81}b"))
write(UNKNOWN, "positive-child-of-allowed.pkl", p(call(sg("collections", "OrderedDict.fromkeys"), t("ab"))))
write(UNKNOWN, "positive-method-of-instance.pkl", p(call(call(GETATTR, call(g("collections", "Counter"), t("ab")), t("most_common")))))
write(UNKNOWN, "positive-wsgi-name.pkl", p(call(g("some_new_package.tools", "launch"), t(CMD))))
COMPUTED = "pickle-computed-callable"
write(COMPUTED, "positive-unknown-attribute.pkl", p(call(call(GETATTR, g("collections", "OrderedDict"), call(g("builtins", "str"), i(1))), t(CMD))))
write(COMPUTED, "positive-result-of-result.pkl", p(call(call(g("collections", "OrderedDict")), t(CMD))))
write(COMPUTED, "positive-extension-callee.pkl", p(b"\x82\x07" + tup(t(CMD)) + b"R"))
write(COMPUTED, "negative-partial.pkl", p(call(PARTIAL, g("numpy", "log1p"))))
CODE = "pickle-carries-code"
harmless = call(g("types", "CodeType"), i(0), i(0), i(0), i(1), i(2), i(67), b(b"|\x00S\x00"), tup(b"N"), tup(t("append")), tup(), t("x.py"), t("f"), i(1), b(b""))
write(CODE, "positive-function.pkl", p(call(g("types", "FunctionType"), harmless, b"}")))
write(CODE, "positive-cloudpickle-function.pkl", p(call(g("cloudpickle.cloudpickle", "_make_function"), harmless, b"}", t("f"), b"N", b"N")))
write(CODE, "negative-dill-plain-object.pkl", p(call(g("dill._dill", "_load_type"), t("SimpleNamespace")) + b"0}"))
OUTSIDE = "pickle-writes-outside"
write(OUTSIDE, "positive-build-on-module-function.pkl", p(g("numpy", "mean") + dct((t("__name__"), t("x"))) + b"b"))
write(OUTSIDE, "positive-build-on-class.pkl", p(g("collections", "OrderedDict") + dct((t("get"), t("x"))) + b"b"))
write(OUTSIDE, "positive-setitem-on-import.pkl", p(g("sys", "modules") + t("os") + b"N" + b"s"))
tensor = call(g("torch._utils", "_rebuild_tensor_v2"), tup(t("storage"), g("torch", "FloatStorage"), t("0"), t("cpu"), i(4)) + b"Q", i(0), tup(i(4)), tup(i(1)), b"\x89", call(g("collections", "OrderedDict")))
write(OUTSIDE, "positive-setitem-on-tensor.pkl", p(tensor + i(0) + i(7) + b"s", 2))
write(OUTSIDE, "positive-setitems-on-list.pkl", p(b"](" + i(0) + i(1) + b"u"))
write(OUTSIDE, "negative-setitem-on-ordered-dict.pkl", p(call(g("collections", "OrderedDict")) + b"(" + t("a") + i(1) + b"u", 2))
write(OUTSIDE, "negative-build-on-instance.pkl", p(g("sklearn.preprocessing._data", "StandardScaler") + b")\x81" + dct((t("with_mean"), b"\x88")) + b"b"))
BROKEN = "pickle-broken-after-calls"
write(BROKEN, "positive-unknown-opcode.pkl", b"\x80\x04" + call(g("collections", "OrderedDict")) + b"\xff")
write(BROKEN, "positive-truncated.pkl", p(call(g("collections", "OrderedDict")) + t("a" * 90))[:-40])
write(BROKEN, "negative-whole.pkl", p(call(g("collections", "OrderedDict"))))
write(BROKEN, "negative-truncated-data.pkl", p(t("a" * 90))[:-40])
EXPANSION = "pickle-expansion"
laughs = b"]q\x00" + b"(" + t("ha") * 10 + b"e0"
for n in range(1, 20):
    laughs += b"]q" + bytes([n]) + b"(" + (b"h" + bytes([n - 1])) * 10 + b"e0"
write(EXPANSION, "positive-shared-lists.pkl", p(laughs + b"h\x13"))
doubling = b"N\x85" + b"2\x86" * 60
write(EXPANSION, "positive-doubled-tuples.pkl", p(doubling + b"q\x00"))
write(EXPANSION, "negative-shared-once.pkl", p(b"]q\x00(" + t("a") * 10 + b"e0](" + b"h\x00" * 100 + b"e"))
ODD = "pickle-odd-stream"
write(ODD, "positive-persistent-id.pkl", p(t("object-7") + b"Q", 2))
write(ODD, "positive-trailing-data.pkl", p(b"N") + b"\xfe\xed\xfa\xce" * 8)
write(ODD, "positive-nested.pkl", p(b(p(call(g("collections", "OrderedDict"))))))
write(ODD, "negative-storage-id.pkl", p(tup(t("storage"), g("torch", "FloatStorage"), t("0"), t("cpu"), i(4)) + b"Q", 2))
write(ODD, "negative-zero-padding.pkl", p(b"N") + bytes(64))
FOREIGN = "pickle-foreign-reference"
write(FOREIGN, "positive-extension-code.pkl", p(b"\x82\x010N", 2))
write(FOREIGN, "positive-missing-memo.pkl", p(b"h\x63"))
write(FOREIGN, "negative-memo.pkl", p(b"]\x94h\x00"))
