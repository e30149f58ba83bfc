//! The filters: those of minijinja that make nothing larger than their input, each charged for
//! what it handles, and our own in place of those that could multiply it.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, functions, tests};

use super::Limits;
use super::budget::{charge, charge_value};
use super::language::{Bounded, write_value};

/// The filters that minijinja has and we do not: they could make much out of little.
const REMOVED: [&str; 3] = ["pprint", "format", "indent"];

/// All filters there are.
pub(super) const NAMES: [&str; 46] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// Puts the filters and functions into the language.
pub(super) fn install(language: &mut Environment<'static>) {
    for name in REMOVED {
        language.remove_filter(name);
    }
    install_charged(language);
    for name in ["count", "length"] {
        language.add_filter(name, length);
    }
    for (name, filter) in [
        ("first", Value::from_function(filters::first)),
        ("last", Value::from_function(filters::last)),
    ] {
        language.add_filter(name, move |state: &mut State, value: Value| {
            if value.is_undefined() {
                return Ok(value); // of a missing list, a missing element
            }
            charge_value(&value)?;
            filter.call(state, &[value])
        });
    }
    language.add_filter("join", join);
    language.add_filter("replace", replace);
    language.add_filter("string", |value: &Value| text(value).map(Value::from));
    language.add_filter("sum", sum);
    language.add_filter("tojson", to_json);
    language.add_filter("urlencode", |value: &Value| {
        let text = text(value)?;
        let made: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        charge(made.len())?;
        // In a path a space is not `+`.
        Ok::<_, Error>(made.replace('+', "%20"))
    });
    language.add_function("range", range);
    install_tests(language);
}

/// The library's filters, each charged with what it takes and what it makes.
fn install_charged(language: &mut Environment<'static>) {
    for (name, filter) in [
        ("attr", Value::from_function(filters::attr)),
        ("batch", Value::from_function(filters::batch)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("chain", Value::from_function(filters::chain)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("groupby", Value::from_function(filters::groupby)),
        ("items", Value::from_function(filters::items)),
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("lower", Value::from_function(filters::lower)),
        ("map", Value::from_function(filters::map)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("reverse", Value::from_function(filters::reverse)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("slice", Value::from_function(filters::slice)),
        ("sort", Value::from_function(filters::sort)),
        ("split", Value::from_function(filters::split)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("unique", Value::from_function(filters::unique)),
        ("upper", Value::from_function(filters::upper)),
        ("zip", Value::from_function(filters::zip)),
    ] {
        let counts = matches!(name, "batch" | "slice");
        language.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            if counts {
                count(args.get(1))?;
            }
            args.iter().try_for_each(charge_value)?;
            let made = filter.call(state, &args)?;
            charge_value(&made)?;
            Ok::<_, Error>(made)
        });
    }
}

/// `select` and its like ask a test of every element: with one that searches a list or compares
/// texts, the work is the product of two lengths.
fn install_tests(language: &mut Environment<'static>) {
    for (name, test) in [
        ("in", Value::from_function(tests::is_in)),
        ("startingwith", Value::from_function(tests::is_startingwith)),
        ("endingwith", Value::from_function(tests::is_endingwith)),
        ("==", Value::from_function(tests::is_eq)),
        ("eq", Value::from_function(tests::is_eq)),
        ("equalto", Value::from_function(tests::is_eq)),
        ("!=", Value::from_function(tests::is_ne)),
        ("ne", Value::from_function(tests::is_ne)),
    ] {
        language.add_test(name, move |state: &mut State, args: Rest<Value>| {
            args.iter().try_for_each(charge_value)?;
            Ok::<_, Error>(test.call(state, &args)?.is_true())
        });
    }
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn too_long() -> Error {
    wrong(format!("a text grows beyond {} bytes", Limits::TEXT_BYTES_MAX))
}

/// How many there are to be; kept within reason.
fn count(value: Option<&Value>) -> Result<(), Error> {
    let n = value.and_then(Value::as_usize).unwrap_or(0);
    if n > Limits::ELEMENTS_MAX {
        return Err(wrong(format!("more than {} elements", Limits::ELEMENTS_MAX)));
    }
    Ok(())
}

/// A value as text.
fn text(value: &Value) -> Result<String, Error> {
    let mut out = Bounded::default();
    write_value(&mut out, value).map_err(|_| too_long())?;
    charge(out.text.len())?;
    out.into_text()
}

/// Of what is missing: 0.
fn length(value: &Value) -> Result<usize, Error> {
    charge_value(value)?;
    if value.is_undefined() {
        return Ok(0);
    }
    let unknown = || wrong(format!("cannot calculate length of value of type {}", value.kind()));
    value.len().ok_or_else(unknown)
}

fn join(value: &Value, joiner: Option<String>, kwargs: Kwargs) -> Result<String, Error> {
    charge_value(value)?;
    let joiner = joiner.or(kwargs.get("d")?).unwrap_or_default();
    let attribute: Option<String> = kwargs.get("attribute")?;
    kwargs.assert_all_used()?;
    let mut out = Bounded::default();
    if value.is_undefined() {
        return Ok(String::new());
    }
    for (index, item) in value.try_iter()?.enumerate() {
        let before = out.text.len();
        let item = match &attribute {
            Some(path) => path.split('.').try_fold(item, |v, name| v.get_attr(name))?,
            None => item,
        };
        if index > 0 {
            out.write_str(&joiner).map_err(|_| too_long())?;
        }
        write_value(&mut out, &item).map_err(|_| too_long())?;
        charge(out.text.len() - before + 1)?;
    }
    out.into_text()
}

fn replace(value: &Value, from: &Value, to: &Value) -> Result<String, Error> {
    let (value, from, to) = (text(value)?, text(from)?, text(to)?);
    let mut out = Bounded::default();
    let mut kept = 0;
    for (at, found) in value.match_indices(from.as_str()) {
        out.write_str(&value[kept..at]).map_err(|_| too_long())?;
        out.write_str(&to).map_err(|_| too_long())?;
        kept = at + found.len();
    }
    out.write_str(&value[kept..]).map_err(|_| too_long())?;
    charge(out.text.len())?;
    out.into_text()
}

/// Of numbers only: texts and lists would grow with the square of their number.
fn sum(state: &mut State, value: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    charge_value(value)?;
    let attribute: Option<String> = kwargs.get("attribute")?;
    let start: Option<Value> = kwargs.get("start")?;
    kwargs.assert_all_used()?;
    let mut numbers: Vec<Value> = start.into_iter().collect();
    for item in value.try_iter()? {
        let item = match &attribute {
            Some(path) => path.split('.').try_fold(item, |v, name| v.get_attr(name))?,
            None => item,
        };
        if !item.is_number() {
            return Err(wrong(format!("cannot sum {}: only numbers", item.kind())));
        }
        numbers.push(item);
    }
    Value::from_function(filters::sum).call(state, &[Value::from(numbers)])
}

/// JSON without white space; with `indent`, of two spaces.
fn to_json(value: &Value, indent: Option<Value>, kwargs: Kwargs) -> Result<String, Error> {
    let indent = indent.or(kwargs.get("indent")?);
    kwargs.assert_all_used()?;
    let mut out = Bounded::default();
    let is_pretty = indent.is_some_and(|indent| indent.is_true());
    let written = if is_pretty {
        serde_json::to_writer_pretty(&mut out, value)
    } else {
        serde_json::to_writer(&mut out, value)
    };
    written.map_err(|error| wrong(format!("cannot be written as JSON: {error}")))?;
    charge(out.text.len())?;
    out.into_text()
}

fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(wrong("range with a step of 0"));
    }
    let distance = if step > 0 { to.saturating_sub(from) } else { from.saturating_sub(to) };
    let n = u64::try_from(distance).unwrap_or(0).div_ceil(step.unsigned_abs());
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    if n > Limits::ELEMENTS_MAX {
        return Err(wrong(format!("range of more than {} elements", Limits::ELEMENTS_MAX)));
    }
    let range = |from, to, step| functions::range(from, Some(to), Some(step));
    match (isize::try_from(from), isize::try_from(to), isize::try_from(step)) {
        (Ok(from), Ok(to), Ok(step)) => range(from, to, step),
        _ => Err(wrong("range of too large numbers")),
    }
}
