"""Runs the functions of a pipeline: reads requests from stdin, writes answers to stdout."""

import base64
import datetime
import decimal
import importlib
import importlib.util
import inspect
import itertools
import json
import operator
import os
import queue
import sys
import threading
import traceback
import types

sys.path[:] = [entry for entry in sys.path if entry]

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
EXACT = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_UP)


class Refused(Exception):
    """A sentence for whoever declared the function."""


# Arguments: what the values of a column become.


def taken(kind):
    """The conversion of a value that is not NULL; None where it stays as it is."""
    name = kind[0]
    if name == "bytes":
        return base64.b64decode
    if name == "decimal":
        return decimal.Decimal
    if name == "date":
        return lambda days: datetime.date.fromordinal(days + 719163)
    if name == "time":
        return lambda millis: (EPOCH + datetime.timedelta(milliseconds=millis)).time()
    if name == "timestamp":
        return lambda micros: EPOCH + micros * MICROSECOND
    if name == "timestamp_ltz":
        return lambda micros: (EPOCH + micros * MICROSECOND).replace(tzinfo=UTC)
    if name == "array":
        inner = taken(kind[1])
        return inner and (lambda items: [None if v is None else inner(v) for v in items])
    return None


def column(values, kind):
    convert = taken(kind)
    return [None if v is None else convert(v) for v in values] if convert else values


# Results: what a value becomes, or why it cannot.


def given(kind):
    """The conversion of a result that is not None."""
    name = kind[0]
    if name == "array":
        inner = given(kind[1])
        return lambda items: [None if v is None else inner(v) for v in items]
    if name == "int":
        return whole(kind[1])
    if name == "decimal":
        return lambda value: last_digits(value, kind[1], kind[2])
    return GIVEN[name]


def unfit(value, wanted):
    return TypeError("the result is %s %.200r, not %s" % (type(value).__name__, value, wanted))


def boolean(value):
    value = value.item() if hasattr(value, "item") else value
    if value is True or value is False:
        return value
    raise unfit(value, "bool")


def whole(bits):
    def whole(value):
        try:
            number = operator.index(value)
        except TypeError:
            raise unfit(value, "int") from None
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise OverflowError("the result %d does not fit into %d bits" % (number, bits))
        return number

    return whole


def floating(value):
    if isinstance(value, (str, bytes)):
        raise unfit(value, "float")
    number = float(value)
    return number if number - number == 0 else repr(number)


def last_digits(value, precision, scale):
    if isinstance(value, (str, bytes, float)):
        raise unfit(value, "decimal.Decimal")
    number = int(EXACT.to_integral_value(EXACT.scaleb(decimal.Decimal(value), scale)))
    if abs(number) >= 10**precision:
        decimals = "DECIMAL(%d, %d)" % (precision, scale)
        raise OverflowError("the result %s does not fit into %s" % (value, decimals))
    return str(number)


def text(value):
    if isinstance(value, str):
        return value
    raise unfit(value, "str")


def octets(value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    raise unfit(value, "bytes")


def date(value):
    if isinstance(value, datetime.date):
        return value.toordinal() - 719163
    raise unfit(value, "datetime.date")


def time(value):
    if isinstance(value, datetime.time):
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return seconds * 1000 + value.microsecond // 1000
    raise unfit(value, "datetime.time")


def timestamp(value):
    if isinstance(value, datetime.datetime):
        return (value.replace(tzinfo=None) - EPOCH) // MICROSECOND
    raise unfit(value, "datetime.datetime")


def instant(value):
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    return timestamp(value)


GIVEN = {
    "bool": boolean,
    "float": floating,
    "text": text,
    "bytes": octets,
    "date": date,
    "time": time,
    "timestamp": timestamp,
    "timestamp_ltz": instant,
}

# Declarations.

SIMPLE = {
    "BooleanType": "BOOLEAN",
    "TinyIntType": "TINYINT",
    "SmallIntType": "SMALLINT",
    "IntType": "INT",
    "BigIntType": "BIGINT",
    "FloatType": "FLOAT",
    "DoubleType": "DOUBLE",
    "DateType": "DATE",
}
SIZED = {
    "CharType": ("CHAR", "length"),
    "VarCharType": ("VARCHAR", "length"),
    "BinaryType": ("BINARY", "length"),
    "VarBinaryType": ("VARBINARY", "length"),
    "TimeType": ("TIME", "precision"),
    "TimestampType": ("TIMESTAMP", "precision"),
    "LocalZonedTimestampType": ("TIMESTAMP_LTZ", "precision"),
}


def type_text(declared):
    """A type in Flink's words, from text or from one of PyFlink's objects."""
    if isinstance(declared, str):
        return declared
    name = type(declared).__name__
    if name in SIMPLE:
        return SIMPLE[name]
    if name in SIZED:
        word, size = SIZED[name]
        return "%s(%d)" % (word, getattr(declared, size))
    if name == "DecimalType":
        return "DECIMAL(%d, %d)" % (declared.precision, declared.scale)
    if name == "ArrayType":
        return "ARRAY<%s>" % type_text(declared.element_type)
    raise Refused("type %s is not supported" % name)


class Context:
    """What open() of a ScalarFunction is given."""

    def get_job_parameter(self, key, default_value):
        return default_value


class Function:
    def __init__(self, name):
        module, _, attribute = name.rpartition(".")
        if not module:
            raise Refused("write it as 'module.function'")
        wrapper = getattr(importlib.import_module(module), attribute, None)
        if wrapper is None:
            raise Refused("module '%s' has no '%s'" % (module, attribute))
        if type(wrapper).__name__ != "UserDefinedScalarFunctionWrapper":
            raise Refused("it is no scalar function: put @udf(result_type=...) above it")
        self.wrapper = wrapper
        self.vectorized = wrapper._func_type == "pandas"
        function = wrapper._func
        if hasattr(function, "eval"):
            if hasattr(function, "open"):
                function.open(Context())
            function = function.eval
        self.call = function

    def description(self):
        least, most = 0, 0
        try:
            parameters = inspect.signature(self.call).parameters.values()
        except (TypeError, ValueError):
            parameters, most = (), None
        for parameter in parameters:
            if parameter.kind == parameter.VAR_POSITIONAL:
                most = None
            elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                least += parameter.default is parameter.empty
                most = most if most is None else most + 1
        inputs = self.wrapper._input_types
        return {
            "result_type": type_text(self.wrapper._result_type),
            "input_types": None if inputs is None else [type_text(t) for t in inputs],
            "deterministic": bool(self.wrapper._deterministic),
            "least": least,
            "most": most,
        }

    def row_by_row(self, columns, rows, convert):
        call, values = self.call, []
        for arguments in zip(*columns) if columns else itertools.repeat((), rows):
            value = call(*arguments)
            values.append(None if value is None else convert(value))
        return values

    def all_at_once(self, columns, rows, convert):
        """Missing values are NaN, NaT or None to pandas, and make whole numbers floats."""
        import pandas

        series = [pandas.Series(values) for values in columns]
        result = self.call(*series)
        values = list(getattr(result, "array", result))
        missing = pandas.isna
        scalar = pandas.api.types.is_scalar
        values = [None if scalar(v) and missing(v) else v for v in values]
        if convert.__name__ == "whole":
            values = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
        return [None if v is None else convert(v) for v in values]


FUNCTIONS = {}


def function(name):
    if name not in FUNCTIONS:
        FUNCTIONS[name] = Function(name)
    return FUNCTIONS[name]


# Requests.


class Files:
    """Finds the modules that are single files, and nothing that lies beside them."""

    def __init__(self):
        self.files = {}

    def find_spec(self, name, path=None, target=None):
        file = self.files.get(name)
        return file and importlib.util.spec_from_file_location(name, file)


def hello(request):
    if sys.version_info < (3, 8):
        return {"error": "Python 3.8 or newer is needed, this is %s" % sys.version.split()[0]}
    files = Files()
    for path in reversed(request["files"]):
        if path.endswith(".py"):
            files.files[os.path.basename(path)[:-3]] = path
        else:
            sys.path.insert(0, path)
    sys.meta_path.insert(0, files)
    try:
        import pyflink.table.udf
    except ImportError:
        stand_in(request["pyflink"])
    return {}


def stand_in(source):
    """Modules with the words of the source, under PyFlink's names."""
    declarations = types.ModuleType("pyflink.table.udf")
    exec(compile(source, "<pyflink>", "exec"), declarations.__dict__)
    for name in ["pyflink", "pyflink.table", "pyflink.table.types"]:
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = []
    table = sys.modules["pyflink.table"]
    sys.modules["pyflink"].table, sys.modules["pyflink.table.udf"] = table, declarations
    table.types = sys.modules["pyflink.table.types"]
    for word in declarations.__all__:
        setattr(table, word, getattr(declarations, word))
    table.udf = declarations
    table.types.DataTypes = declarations.DataTypes


def called(request):
    it = function(request["function"])
    columns = [column(values, kind) for values, kind in zip(request["columns"], request["types"])]
    run = it.all_at_once if it.vectorized else it.row_by_row
    return {"values": run(columns, request["rows"], given(request["result"]))}


REQUESTS = {
    "hello": hello,
    "describe": lambda request: function(request["function"]).description(),
    "call": called,
}


def answer(request):
    try:
        found = REQUESTS[request["op"]](request)
        return json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except Refused as refused:
        said = str(refused)
    except (Exception, SystemExit) as error:
        said = told(error)
    return json.dumps({"error": said}).encode()


def told(error):
    """The traceback without this file's part of it."""
    ours = ("<string>", "<frozen ")
    stack = traceback.TracebackException.from_exception(error)
    theirs = [frame for frame in stack.stack if not frame.filename.startswith(ours)]
    stack.stack = traceback.StackSummary.from_list(theirs)
    return "".join(stack.format()).strip()


def main():
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What functions read and print has nothing to do with requests and answers.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    waiting = queue.SimpleQueue()

    def read():
        while True:
            length = requests.read(4)
            body = requests.read(int.from_bytes(length, "big"))
            if len(length) < 4 or not body:
                # Whoever started this process is gone, whatever a function is doing.
                os._exit(0)
            waiting.put(body)

    threading.Thread(target=read, daemon=True).start()
    while True:
        found = answer(json.loads(waiting.get()))
        answers.write(len(found).to_bytes(4, "big") + found)
        answers.flush()


main()
