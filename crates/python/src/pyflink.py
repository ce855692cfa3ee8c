"""What files with functions import from pyflink.table, where PyFlink is not installed."""

__all__ = [
    "AggregateFunction",
    "DataTypes",
    "FunctionContext",
    "ScalarFunction",
    "TableFunction",
    "udaf",
    "udf",
    "udtaf",
    "udtf",
]


class Type(str):
    """A type in Flink's words."""

    def nullable(self):
        return self

    def not_null(self):
        return self


def simple(name):
    return staticmethod(lambda nullable=True: Type(name))


def sized(name, default):
    return staticmethod(lambda size=default, nullable=True: Type("%s(%d)" % (name, size)))


class DataTypes:
    BOOLEAN = simple("BOOLEAN")
    TINYINT = simple("TINYINT")
    SMALLINT = simple("SMALLINT")
    INT = simple("INT")
    BIGINT = simple("BIGINT")
    FLOAT = simple("FLOAT")
    DOUBLE = simple("DOUBLE")
    STRING = simple("STRING")
    BYTES = simple("BYTES")
    DATE = simple("DATE")
    CHAR = sized("CHAR", 1)
    VARCHAR = sized("VARCHAR", 1)
    BINARY = sized("BINARY", 1)
    VARBINARY = sized("VARBINARY", 1)
    TIME = sized("TIME", 0)
    TIMESTAMP = sized("TIMESTAMP", 6)
    TIMESTAMP_LTZ = sized("TIMESTAMP_LTZ", 6)
    TIMESTAMP_WITH_LOCAL_TIME_ZONE = sized("TIMESTAMP_LTZ", 6)

    @staticmethod
    def DECIMAL(precision, scale, nullable=True):
        return Type("DECIMAL(%d, %d)" % (precision, scale))

    @staticmethod
    def ARRAY(element_type, nullable=True):
        return Type("ARRAY<%s>" % element_type)

    @staticmethod
    def MAP(key_type, value_type, nullable=True):
        return Type("MAP<%s, %s>" % (key_type, value_type))

    @staticmethod
    def FIELD(name, data_type, description=None):
        return "`%s` %s" % (name, data_type)

    @staticmethod
    def ROW(row_fields=(), nullable=True):
        return Type("ROW<%s>" % ", ".join(row_fields))


class FunctionContext:
    pass


class UserDefinedFunction:
    def open(self, function_context):
        pass

    def close(self):
        pass

    def is_deterministic(self):
        return True


class ScalarFunction(UserDefinedFunction):
    pass


class TableFunction(UserDefinedFunction):
    pass


class AggregateFunction(UserDefinedFunction):
    pass


class UserDefinedScalarFunctionWrapper:
    def __init__(self, func, input_types, result_type, func_type, deterministic):
        if result_type is None:
            raise TypeError("@udf wants a result_type")
        if func_type not in ("general", "pandas"):
            raise ValueError("func_type must be one of 'general, pandas', got %s." % func_type)
        self._func, self._result_type, self._func_type = func, result_type, func_type
        if isinstance(input_types, str):
            input_types = [input_types]
        self._input_types = None if input_types is None else list(input_types)
        if deterministic is None:
            deterministic = getattr(func, "is_deterministic", lambda: True)()
        self._deterministic = deterministic


def udf(
    f=None,
    input_types=None,
    result_type=None,
    deterministic=None,
    name=None,
    func_type="general",
    udf_type=None,
):
    def wrap(func):
        kind = udf_type or func_type
        return UserDefinedScalarFunctionWrapper(func, input_types, result_type, kind, deterministic)

    return wrap if f is None else wrap(f)


class Other:
    """A function of another kind: it can be declared, not run."""


def udtf(f=None, **_):
    return Other() if f is not None else lambda func: Other()


udaf = udtaf = udtf
