//! Functions of real Python processes: values there and back, exceptions, deaths.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int64Array, ListArray, StringArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, ErrorKind};
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::{Interpreter, Types, function};

/// A directory with `functions.py`, and its interpreter.
struct Bench {
    _directory: tempfile::TempDir,
    path: PathBuf,
    interpreter: Arc<Interpreter>,
}

const IMPORTS: &str = "from pyflink.table import DataTypes, ScalarFunction\n\
                       from pyflink.table.udf import udf\nimport os, sys\n";

fn bench(functions: &str) -> Bench {
    bench_of(Path::new("python3"), functions)
}

fn bench_of(python: &Path, functions: &str) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_path_buf();
    std::fs::write(path.join("functions.py"), format!("{IMPORTS}{functions}")).unwrap();
    let files = vec![path.join("functions.py")];
    let interpreter = Arc::new(Interpreter::new(python, files).unwrap());
    Bench { _directory: directory, path, interpreter }
}

impl Bench {
    /// `functions.name` with its declared result, of which `result` is the type.
    fn udf(&self, name: &str, result: SqlType) -> Arc<ScalarUDF> {
        let of = format!("functions.{name}");
        let declared = self.interpreter.describe(&of).unwrap();
        let types = Types { result, inputs: None };
        function(name, &of, declared, types, Arc::clone(&self.interpreter)).unwrap()
    }
    fn refusal(&self, name: &str) -> Error {
        self.interpreter.describe(&format!("functions.{name}")).unwrap_err()
    }
}

fn call(udf: &ScalarUDF, columns: Vec<ArrayRef>, rows: usize) -> Result<ArrayRef, DataFusionError> {
    let field = |ty: &DataType| Arc::new(Field::new("x", ty.clone(), true));
    let types: Vec<DataType> = columns.iter().map(|c| c.data_type().clone()).collect();
    let result = udf.invoke_with_args(ScalarFunctionArgs {
        args: columns.into_iter().map(ColumnarValue::Array).collect(),
        arg_fields: types.iter().map(field).collect(),
        number_rows: rows,
        return_field: field(&udf.return_type(&types).unwrap()),
        config_options: Arc::default(),
    });
    result?.into_array(rows)
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn rows_one_by_one_and_all_at_once() {
    let bench = bench(
        "@udf(result_type='STRING')\n\
         def hello(name, n=1):\n    return None if name is None else 'Grüße, ' * n + name\n\
         @udf(input_types=[DataTypes.BIGINT()], result_type=DataTypes.BIGINT())\n\
         def double(x): return x * 2\n\
         class Add(ScalarFunction):\n\
         \x20   def open(self, context): self.more = 40\n\
         \x20   def eval(self, *all): return self.more + sum(all)\n\
         add = udf(Add(), result_type=DataTypes.INT())\n\
         never = udf(lambda: 7, result_type='INT')\n",
    );
    let hello = bench.udf("hello", SqlType::STRING);
    let greeted = call(&hello, vec![texts(&[Some("\"Ö\\\n\u{1F600}\""), None])], 2).unwrap();
    let want = [Some("Grüße, \"Ö\\\n\u{1F600}\""), None];
    assert_eq!(greeted.as_string::<i32>().iter().collect::<Vec<_>>(), want);
    let declared = bench.interpreter.describe("functions.hello").unwrap();
    assert_eq!((declared.least, declared.most, declared.input_types), (1, Some(2), None));
    let declared = bench.interpreter.describe("functions.double").unwrap();
    assert_eq!(declared.input_types, Some(vec!["BIGINT".to_string()]));
    // More rows than a request holds.
    let all: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
    let doubled = call(&bench.udf("double", SqlType::BigInt), vec![all], 20_000).unwrap();
    let doubled = doubled.as_primitive::<Int64Type>().values();
    assert!(doubled.iter().enumerate().all(|(i, v)| *v == 2 * i as i64));
    let ones: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let sum = call(&bench.udf("add", SqlType::Int), vec![ones.clone(), ones], 1).unwrap();
    assert_eq!(sum.as_primitive::<Int32Type>().value(0), 42);
    let seven = call(&bench.udf("never", SqlType::Int), vec![], 3).unwrap();
    assert_eq!(seven.as_primitive::<Int32Type>().values(), &[7, 7, 7]);
    assert_eq!(call(&hello, vec![texts(&[])], 0).unwrap().len(), 0);
}

/// A type, a value and NULL of it, and what Python shows of the value.
fn every_type() -> Vec<(SqlType, ArrayRef, &'static str)> {
    let utc = |a: TimestampMillisecondArray| a.with_timezone("UTC");
    let decimal = Decimal128Array::from(vec![Some(-120_500), None]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let micros = 1_700_000_000_123_456;
    vec![
        (SqlType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), None])), "True"),
        (SqlType::TinyInt, Arc::new(Int8Array::from(vec![Some(-128), None])), "-128"),
        (
            SqlType::BigInt,
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
            "-9223372036854775808",
        ),
        (SqlType::Float, Arc::new(Float32Array::from(vec![Some(1.5), None])), "1.5"),
        (SqlType::Double, Arc::new(Float64Array::from(vec![Some(-1e300), None])), "-1e+300"),
        (SqlType::Double, Arc::new(Float64Array::from(vec![Some(f64::NAN), None])), "nan"),
        (SqlType::Double, Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None])), "inf"),
        (
            SqlType::Decimal(38, 4),
            Arc::new(decimal.with_precision_and_scale(38, 4).unwrap()),
            "Decimal('-12.0500')",
        ),
        (SqlType::STRING, texts(&[Some("a\0é'"), None]), "\"a\\x00é'\""),
        (
            SqlType::BYTES,
            Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])),
            "b'\\x00\\xff'",
        ),
        (
            SqlType::Date,
            Arc::new(Date32Array::from(vec![Some(-1), None])),
            "datetime.date(1969, 12, 31)",
        ),
        (
            SqlType::Time(3),
            Arc::new(Time32MillisecondArray::from(vec![Some(3_661_001), None])),
            "datetime.time(1, 1, 1, 1000)",
        ),
        (
            SqlType::Timestamp(3),
            Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None])),
            "datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)",
        ),
        (
            SqlType::Timestamp(6),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(micros), None])),
            "datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)",
        ),
        (
            SqlType::Timestamp(9),
            Arc::new(TimestampNanosecondArray::from(vec![Some(micros * 1000), None])),
            "datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)",
        ),
        (
            SqlType::TimestampLtz(3),
            Arc::new(utc(TimestampMillisecondArray::from(vec![Some(0), None]))),
            "datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        ),
        (SqlType::from_arrow(list.data_type()).unwrap(), Arc::new(list.clone()), "[1, None]"),
    ]
}

/// Each type goes to Python and back; there `str` must show what Python has for it.
#[test]
fn every_type_there_and_back() {
    let bench = bench(
        "same = udf(lambda x: x, result_type='STRING')\n\
         shown = udf(lambda x: repr(x), result_type='STRING')\n",
    );
    let shown = bench.udf("shown", SqlType::STRING);
    for (ty, column, wanted) in every_type() {
        let back = call(&bench.udf("same", ty.clone()), vec![column.clone()], 2).unwrap();
        assert_eq!(&back, &column, "{ty}");
        let shown = call(&shown, vec![column], 2).unwrap();
        let shown = shown.as_string::<i32>();
        assert_eq!((shown.value(0), shown.value(1)), (wanted, "None"), "{ty}");
    }
}

/// What does not fit the declared type is the row's error, not another value.
#[test]
fn results_of_another_type_are_refused() {
    let bench = bench("pick = udf(lambda code: eval(code), result_type='STRING')\n");
    for (code, ty, wanted) in [
        ("7", SqlType::STRING, "the result is int 7, not str"),
        ("'7'", SqlType::Int, "the result is str '7', not int"),
        ("1.0", SqlType::BigInt, "the result is float 1.0, not int"),
        ("128", SqlType::TinyInt, "does not fit into 8 bits"),
        ("1", SqlType::Boolean, "the result is int 1, not bool"),
        ("'1'", SqlType::Double, "not float"),
        ("0.1", SqlType::Decimal(10, 2), "not decimal.Decimal"),
        ("100", SqlType::Decimal(4, 2), "does not fit into DECIMAL(4, 2)"),
        ("'x'", SqlType::BYTES, "not bytes"),
        ("'2020-01-01'", SqlType::Date, "not datetime.date"),
        ("0", SqlType::Timestamp(3), "not datetime.datetime"),
        ("'\\ud800'", SqlType::STRING, "surrogates not allowed"),
    ] {
        let error = call(&bench.udf("pick", ty), vec![texts(&[Some(code)])], 1).unwrap_err();
        assert!(error.to_string().contains(wanted), "{code}: {error}");
    }
    let rounded = call(
        &bench.udf("pick", SqlType::Decimal(10, 2)),
        vec![texts(&[Some("__import__('decimal').Decimal('-1.005')")])],
        1,
    );
    let rounded = rounded.unwrap();
    assert_eq!(rounded.as_primitive::<arrow::datatypes::Decimal128Type>().value(0), -101);
}

/// Needs pandas: without the environment of the tests' services it returns at once.
#[test]
fn columns_as_pandas_has_them() {
    let Some(python) = std::env::var_os("BROOKLET_TEST_PYTHON") else { return };
    let bench = bench_of(
        Path::new(&python),
        "import pandas\n\
         @udf(result_type='BIGINT', func_type='pandas')\n\
         def more(n): return n + 1\n\
         upper = udf(lambda s: s.str.upper(), result_type='STRING', func_type='pandas')\n\
         ratio = udf(lambda a, b: a / b, result_type='DOUBLE', func_type='pandas')\n\
         first = udf(lambda s: s[:1], result_type='BIGINT', func_type='pandas')\n\
         later = udf(lambda t: t + pandas.Timedelta(days=1), result_type='TIMESTAMP(3)',\n\
         \x20           func_type='pandas')\n",
    );
    let longs: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let more = call(&bench.udf("more", SqlType::BigInt), vec![longs.clone()], 2).unwrap();
    let more: Vec<Option<i64>> = more.as_primitive::<Int64Type>().iter().collect();
    assert_eq!(more, [Some(2), None]);
    let upper = bench.udf("upper", SqlType::STRING);
    let upper = call(&upper, vec![texts(&[Some("ü"), None])], 2).unwrap();
    assert_eq!(&upper, &texts(&[Some("Ü"), None]));
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0, 0]));
    let ratio = bench.udf("ratio", SqlType::Double);
    let ratio = call(&ratio, vec![longs.clone(), zeros], 2).unwrap();
    let wanted: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::INFINITY), None]));
    assert_eq!(&ratio, &wanted);
    let moments: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(5), None]));
    let later = call(&bench.udf("later", SqlType::Timestamp(3)), vec![moments], 2).unwrap();
    let wanted: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(86_400_005), None]));
    assert_eq!(&later, &wanted);
    let error = call(&bench.udf("first", SqlType::BigInt), vec![longs], 2).unwrap_err();
    assert!(error.to_string().contains("functions.first gave 1 values for 2 rows"), "{error}");
}

#[test]
fn exceptions_come_with_their_traceback() {
    let bench = bench(
        "@udf(result_type='INT')\n\
         def parse(text):\n    print('parsing', text)\n    return int(text)\n\
         leave = udf(lambda x: sys.exit(3), result_type='INT')\n",
    );
    let parse = bench.udf("parse", SqlType::Int);
    let error = call(&parse, vec![texts(&[Some("1"), Some("x")])], 2).unwrap_err().to_string();
    let line = format!("{}\", line 7, in parse", bench.path.join("functions.py").display());
    assert!(error.contains(&line), "{error}");
    assert!(error.contains("ValueError: invalid literal for int() with base 10: 'x'"), "{error}");
    assert!(!error.contains("<string>"), "{error}");
    // What it printed did not get between, and the process goes on.
    let parsed = call(&parse, vec![texts(&[Some("5")])], 1).unwrap();
    assert_eq!(parsed.as_primitive::<Int32Type>().value(0), 5);
    let left = call(&bench.udf("leave", SqlType::Int), vec![texts(&[None])], 1);
    assert!(left.unwrap_err().to_string().contains("SystemExit: 3"));
}

#[test]
fn a_process_that_dies_is_replaced() {
    let bench = bench(
        "@udf(result_type='INT')\n\
         def once(file):\n\
         \x20   if not os.path.exists(file):\n\
         \x20       open(file, 'w').close()\n\
         \x20       os._exit(9)\n\
         \x20   return 1\n\
         @udf(result_type='INT')\n\
         def always(x): os.abort() if x == 'bad' else None\n",
    );
    let marker = bench.path.join("died");
    let once = call(&bench.udf("once", SqlType::Int), vec![texts(&[marker.to_str()])], 1).unwrap();
    assert_eq!(once.as_primitive::<Int32Type>().value(0), 1);
    assert!(marker.exists());
    let always = bench.udf("always", SqlType::Int);
    let error = call(&always, vec![texts(&[Some("bad")])], 1).unwrap_err();
    // One row's fault: its neighbours can pass.
    assert!(matches!(error, DataFusionError::Execution(_)), "{error:?}");
    assert!(error.to_string().contains("died 3 times over the same rows (signal: 6"), "{error}");
    assert_eq!(call(&always, vec![texts(&[None])], 1).unwrap().null_count(), 1);
}

/// As when the system ends all processes while no rows come: more than a request is tried.
#[test]
fn processes_that_died_idle_are_no_rows_fault() {
    let bench = bench(
        "import signal, time\n\
         @udf(result_type='INT')\n\
         def pid(x):\n\
         \x20   time.sleep(0.5)\n\
         \x20   signal.setitimer(signal.ITIMER_REAL, 0.5)\n\
         \x20   return os.getpid()\n",
    );
    let udf = bench.udf("pid", SqlType::Int);
    let pid = || {
        let pid = call(&udf, vec![texts(&[None])], 1).unwrap();
        pid.as_primitive::<Int32Type>().value(0)
    };
    let all: Vec<i32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..5).map(|_| scope.spawn(pid)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let ended = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |text| text.contains(") Z "))
    };
    while !all.iter().all(ended) {
        std::thread::yield_now();
    }
    assert!(!all.contains(&pid()));
}

#[test]
fn an_interpreter_that_vanishes_is_nobodys_row() {
    let bench = bench("gone = udf(lambda x: os._exit(1), result_type='INT')\n");
    let python = bench.path.join("python");
    let mut find = std::process::Command::new("python3");
    let found = find.args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let real = String::from_utf8(found.stdout).unwrap();
    std::os::unix::fs::symlink(real.trim(), &python).unwrap();
    let files = vec![bench.path.join("functions.py")];
    let interpreter = Arc::new(Interpreter::new(&python, files).unwrap());
    let declared = interpreter.describe("functions.gone").unwrap();
    let types = Types { result: SqlType::Int, inputs: None };
    let gone = function("gone", "functions.gone", declared, types, interpreter).unwrap();
    std::fs::remove_file(&python).unwrap();
    let error = call(&gone, vec![texts(&[None])], 1).unwrap_err();
    let DataFusionError::External(inner) = &error else { panic!("{error:?}") };
    let said = inner.downcast_ref::<Error>().unwrap();
    assert_eq!((said.kind, said.retry), (ErrorKind::Outside, false));
    assert!(said.message.contains("cannot be started"), "{said}");
}

#[test]
fn declarations_that_cannot_run_say_why() {
    let bench = bench(
        "plain = lambda x: x\n\
         by_chance = udf(lambda: 4, result_type='INT', deterministic=False)\n\
         from pyflink.table.udf import udtf\n\
         rows = udtf(lambda x: [x], result_types=['INT'])\n",
    );
    for (name, wanted) in [
        ("plain", "put @udf(result_type=...) above it"),
        ("rows", "it is no scalar function"),
        ("by_chance", "deterministic=False"),
        ("missing", "module 'functions' has no 'missing'"),
    ] {
        let error = bench.refusal(name);
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains(wanted), "{error}");
    }
    let error = bench.interpreter.describe("nowhere.f").unwrap_err();
    assert!(error.message.contains("No module named 'nowhere'"), "{error}");
    let error = bench.interpreter.describe("f").unwrap_err();
    assert!(error.message.contains("'module.function'"), "{error}");
    let none = Interpreter::new(Path::new("python3"), vec!["/no/such.py".into()]).err().unwrap();
    assert!(none.message.contains("'python.files': there is no '/no/such.py'"), "{none}");
    let no_python = Interpreter::new(Path::new("/bin/false"), vec![]).unwrap();
    let error = no_python.describe("a.b").unwrap_err();
    assert!(error.message.contains("'/bin/false': does not run as Python 3"), "{error}");
}

#[test]
fn arguments_are_counted_and_typed_when_planned() {
    let bench = bench("f = udf(lambda a, b=0: a, result_type='INT')\n");
    let of = "functions.f";
    let declared = || bench.interpreter.describe(of).unwrap();
    let udf = |inputs| {
        let types = Types { result: SqlType::Int, inputs };
        function("f", of, declared(), types, Arc::clone(&bench.interpreter)).unwrap()
    };
    let any = udf(None);
    let error = any.coerce_types(&[]).unwrap_err().to_string();
    assert!(error.contains("f takes 1 to 2 arguments, 0 were given"), "{error}");
    let row = DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into());
    assert!(any.coerce_types(&[row]).is_err());
    let typed = udf(Some(vec![SqlType::BigInt, SqlType::STRING]));
    let given = [DataType::Int32, DataType::Utf8View];
    assert_eq!(typed.coerce_types(&given).unwrap(), [DataType::Int64, DataType::Utf8]);
    let error = typed.coerce_types(&[DataType::Utf8]).unwrap_err().to_string();
    assert!(error.contains("f takes BIGINT as argument 1, not STRING: write a CAST"), "{error}");
}
