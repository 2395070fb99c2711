/**
 * Dotted names as Python 3 resolves them. Old pickles use Python 2 module names, which the unpickler
 * translates (CPython `Lib/_compat_pickle.py`); lists are written with the new names only.
 */

const MODULES: Readonly<Record<string, string>> = {
  __builtin__: 'builtins',
  copy_reg: 'copyreg',
  Queue: 'queue',
  SocketServer: 'socketserver',
  ConfigParser: 'configparser',
  repr: 'reprlib',
  tkFileDialog: 'tkinter.filedialog',
  cPickle: 'pickle',
  _winreg: 'winreg',
  thread: '_thread',
  dummy_thread: '_dummy_thread',
  commands: 'subprocess',
  httplib: 'http.client',
  SimpleHTTPServer: 'http.server',
  CGIHTTPServer: 'http.server',
  BaseHTTPServer: 'http.server',
  urllib2: 'urllib.request',
  urlparse: 'urllib.parse',
  xmlrpclib: 'xmlrpc.client',
  UserDict: 'collections',
  UserList: 'collections',
  UserString: 'collections',
  whichdb: 'dbm',
  StringIO: 'io',
  cStringIO: 'io',
  test_support: 'test.support',
  exceptions: 'builtins',
};

const NAMES: Readonly<Record<string, string>> = {
  'builtins.xrange': 'builtins.range',
  'builtins.reduce': 'functools.reduce',
  'builtins.intern': 'sys.intern',
  'builtins.unichr': 'builtins.chr',
  'builtins.unicode': 'builtins.str',
  'builtins.long': 'builtins.int',
  'builtins.raw_input': 'builtins.input',
  'itertools.izip': 'builtins.zip',
  'itertools.imap': 'builtins.map',
  'itertools.ifilter': 'builtins.filter',
};

/** One spelling for modules that moved between versions of the same package or are C twins. */
const PREFIXES: readonly (readonly [string, string])[] = [
  ['numpy._core.', 'numpy.core.'],
  ['_operator.', 'operator.'],
  ['_functools.', 'functools.'],
  ['_collections.', 'collections.'],
  ['_io.', 'io.'],
  ['_codecs.', 'codecs.'],
  ['_pickle.', 'pickle.'],
  ['_socket.', 'socket.'],
  ['_ctypes.', 'ctypes.'],
  ['_posixsubprocess.', 'subprocess._posixsubprocess.'],
  ['_bootlocale.', 'locale.'],
  ['importlib._bootstrap._gcd_import', 'importlib.import_module'],
  ['collections.abc.', 'collections.'],
];

/** `module` and `name` as one dotted path in today's spelling. */
export function canonicalName(module: string, name: string): string {
  const moved = MODULES[module] ?? module;
  const joined = moved === '' ? name : `${moved}.${name}`;
  const renamed = NAMES[joined] ?? joined;
  for (const [from, to] of PREFIXES) {
    if (renamed.startsWith(from)) return to + renamed.slice(from.length);
  }
  return renamed;
}

/** For a name that was computed as one string. */
export function canonicalPath(path: string): string {
  const dot = path.indexOf('.');
  return dot < 0 ? (MODULES[path] ?? path) : canonicalName(path.slice(0, dot), path.slice(dot + 1));
}
