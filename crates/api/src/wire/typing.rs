//! The typing layer of request bodies: permissive as Magnum's (numbers and booleans may be text), and, unlike
//! it, never surprised: everything that does not fit is a 400 that names field, value and reason.

use std::collections::BTreeMap;

use jeroboam_types::Labels;
use jeroboam_types::labels::loose_bool;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{ApiError, ApiResult};

/// Most bytes of one map of labels as JSON, which is how it is stored: a TEXT column of MySQL and MariaDB, the
/// smallest, takes 65,535.
const MAX_LABEL_BYTES: usize = 60_000;

/// A field as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field<T> {
    /// Not sent.
    Absent,
    /// Sent as null.
    Null,
    /// Sent.
    Value(T),
}

impl<T> Field<T> {
    /// The value, if there is one.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// The value, or a default for an absent field only.
    pub(crate) fn absent_or(self, default: Option<T>) -> Option<T> {
        match self {
            Self::Absent => default,
            Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    fn try_map<U>(self, convert: impl FnOnce(T) -> ApiResult<U>) -> ApiResult<Field<U>> {
        Ok(match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(convert(value)?),
        })
    }
}

/// A request body whose fields are taken one by one.
#[derive(Debug)]
pub(crate) struct Body {
    argument: &'static str,
    fields: Map<String, Value>,
}

impl Body {
    /// An object for the named argument.
    ///
    /// # Errors
    /// 400 for anything but an object.
    pub(crate) fn new(argument: &'static str, body: Value) -> ApiResult<Self> {
        match body {
            Value::Object(fields) => Ok(Self { argument, fields }),
            other => Err(ApiError::invalid(
                argument,
                shown(&other),
                "An object is expected",
            )),
        }
    }

    /// Refuses attributes that only the service sets.
    ///
    /// # Errors
    /// 400 that names the attribute.
    pub(crate) fn read_only(&self, names: &[&str]) -> ApiResult<()> {
        match names.iter().find(|name| self.fields.contains_key(**name)) {
            Some(name) => Err(ApiError::invalid(
                name,
                shown(&self.fields[*name]),
                "It is set by the service only",
            )),
            None => Ok(()),
        }
    }

    /// Refuses the body when a field is neither sent nor null.
    ///
    /// # Errors
    /// 400 that says that the field is mandatory.
    pub(crate) fn mandatory(&self, name: &str) -> ApiResult<()> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Err(ApiError::invalid(name, "None", "The field is mandatory")),
            Some(_) => Ok(()),
        }
    }

    fn take(&mut self, name: &str) -> Field<Value> {
        match self.fields.remove(name) {
            None => Field::Absent,
            Some(Value::Null) => Field::Null,
            Some(value) => Field::Value(value),
        }
    }

    /// A text of `min` to `max` characters.
    pub(crate) fn text(&mut self, name: &str, min: usize, max: usize) -> ApiResult<Field<String>> {
        self.take(name).try_map(|value| text_of(name, value, min, max))
    }

    /// A text of 1 to 255 characters, Magnum's usual.
    pub(crate) fn short_text(&mut self, name: &str) -> ApiResult<Field<String>> {
        self.text(name, 1, 255)
    }

    /// An integer of at least `min` and at most `max`.
    pub(crate) fn int(&mut self, name: &str, min: i32, max: i32) -> ApiResult<Field<i32>> {
        self.take(name).try_map(|value| int_of(name, &value, min, max))
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> ApiResult<Field<bool>> {
        self.take(name).try_map(|value| bool_of(name, &value))
    }

    /// One of some texts.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        name: &str,
        choices: &[T],
        written: impl Fn(T) -> &'static str,
    ) -> ApiResult<Field<T>> {
        self.take(name).try_map(|value| {
            let known = choices
                .iter()
                .find(|choice| value.as_str() == Some(written(**choice)));
            known.copied().ok_or_else(|| {
                let known: Vec<&str> = choices.iter().map(|choice| written(*choice)).collect();
                ApiError::invalid(
                    name,
                    shown(&value),
                    format!("Value should be one of: {}", known.join(", ")),
                )
            })
        })
    }

    /// A UUID in any spelling.
    pub(crate) fn uuid(&mut self, name: &str) -> ApiResult<Field<Uuid>> {
        self.take(name).try_map(|value| {
            value
                .as_str()
                .and_then(|text| Uuid::parse_str(text).ok())
                .ok_or_else(|| ApiError::invalid(name, shown(&value), "Value should be a UUID"))
        })
    }

    /// Labels: values may be texts, numbers and booleans, and are kept as Python writes them.
    pub(crate) fn labels(&mut self, name: &str) -> ApiResult<Field<Labels>> {
        self.take(name).try_map(|value| labels_of(name, value))
    }

    /// A list of texts; numbers count as texts.
    pub(crate) fn texts(&mut self, name: &str) -> ApiResult<Field<Vec<String>>> {
        self.take(name).try_map(|value| {
            let Value::Array(items) = value else {
                return Err(ApiError::invalid(name, shown(&value), "Value should be a list"));
            };
            let text = |item: Value| match item {
                Value::Number(number) => Ok(number.to_string()),
                other => text_of(name, other, 1, 255),
            };
            items.into_iter().map(text).collect()
        })
    }

    /// A map from text to text.
    pub(crate) fn map(&mut self, name: &str) -> ApiResult<Field<BTreeMap<String, String>>> {
        self.take(name).try_map(|value| texts_of(name, value))
    }

    /// A list of maps from text to text.
    pub(crate) fn maps(&mut self, name: &str) -> ApiResult<Field<Vec<BTreeMap<String, String>>>> {
        self.take(name).try_map(|value| {
            let Value::Array(items) = value else {
                return Err(ApiError::invalid(name, shown(&value), "Value should be a list"));
            };
            items.into_iter().map(|item| texts_of(name, item)).collect()
        })
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    /// 400 that names the first attribute left.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.fields.keys().next() {
            Some(name) => {
                let name: String = name.chars().take(200).collect();
                let argument = self.argument;
                Err(ApiError::bad_request(format!(
                    "Unknown attribute for argument {argument}: {name}"
                )))
            }
            None => Ok(()),
        }
    }
}

/// A value as an error text shows it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::String(text) => text.chars().take(200).collect(),
        other => other.to_string().chars().take(200).collect(),
    }
}

fn text_of(name: &str, value: Value, min: usize, max: usize) -> ApiResult<String> {
    let Value::String(text) = value else {
        return Err(ApiError::invalid(name, shown(&value), "Value should be string"));
    };
    let length = text.chars().count();
    if length < min {
        return Err(ApiError::invalid(
            name,
            shown(&text.into()),
            format!("Value should have at least {min} characters"),
        ));
    }
    if length > max {
        return Err(ApiError::invalid(
            name,
            shown(&text.into()),
            format!("Value should have at most {max} characters"),
        ));
    }
    if text.contains('\0') {
        return Err(ApiError::invalid(
            name,
            "\\0",
            "Value should not hold a null character",
        ));
    }
    Ok(text)
}

fn int_of(name: &str, value: &Value, min: i32, max: i32) -> ApiResult<i32> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(ApiError::invalid(
            name,
            shown(value),
            "Value should be an integer",
        ));
    };
    if number < i64::from(min) {
        return Err(ApiError::invalid(
            name,
            number,
            format!("Value should be at least {min}"),
        ));
    }
    match i32::try_from(number) {
        Ok(number) if number <= max => Ok(number),
        _ => Err(ApiError::invalid(
            name,
            number,
            format!("Value should be at most {max}"),
        )),
    }
}

fn bool_of(name: &str, value: &Value) -> ApiResult<bool> {
    let parsed = match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => loose_bool(text),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| ApiError::invalid(name, shown(value), "Value should be boolean"))
}

fn labels_of(name: &str, value: Value) -> ApiResult<Labels> {
    let Value::Object(pairs) = value else {
        return Err(ApiError::invalid(name, shown(&value), "Value should be a map"));
    };
    let mut labels = BTreeMap::new();
    for (key, value) in pairs {
        let text = label_text(&value).ok_or_else(|| {
            ApiError::invalid(
                &format!("{name}[{}]", shown(&Value::String(key.clone()))),
                shown(&value),
                "Value should be a text, a number or a boolean",
            )
        })?;
        if key.is_empty() || key.contains('\0') || text.contains('\0') {
            return Err(ApiError::invalid(
                name,
                shown(&Value::String(key)),
                "It cannot be a label",
            ));
        }
        labels.insert(key, text);
    }
    let labels = Labels(labels);
    check_size(name, &labels)?;
    Ok(labels)
}

/// As labels, but nothing is made a text that is none.
fn texts_of(name: &str, value: Value) -> ApiResult<BTreeMap<String, String>> {
    let mut values = value.as_object().into_iter().flat_map(Map::values);
    if let Some(odd) = values.find(|value| !value.is_string()) {
        return Err(ApiError::invalid(name, shown(odd), "Value should be a text"));
    }
    Ok(labels_of(name, value)?.0)
}

/// Refuses labels that are too many or too long to be stored.
///
/// # Errors
/// 400 that names the field.
pub(crate) fn check_size(name: &str, labels: &Labels) -> ApiResult<()> {
    let bytes = serde_json::to_string(labels).map_err(ApiError::internal)?.len();
    if bytes <= MAX_LABEL_BYTES {
        return Ok(());
    }
    Err(ApiError::invalid_field(
        name,
        format!("All labels together take {bytes} bytes, and may take {MAX_LABEL_BYTES}"),
    ))
}

/// A label's value as Python's `str` writes it; `None` for null, lists and maps.
pub(crate) fn label_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(true) => Some("True".to_owned()),
        Value::Bool(false) => Some("False".to_owned()),
        Value::Number(number) if number.is_f64() => Some(python_float(&number.to_string())),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Python writes a sign and at least two digits of an exponent.
fn python_float(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, digits) = match exponent.strip_prefix('-') {
                Some(digits) => ('-', digits),
                None => ('+', exponent.trim_start_matches('+')),
            };
            format!("{mantissa}e{sign}{digits:0>2}")
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        Body::new("cluster", value).unwrap()
    }

    #[test]
    fn numbers_and_booleans_may_be_text() {
        let mut sent = body(json!({"a": "2", "b": 3, "c": "True", "d": "no", "e": 1, "f": null}));
        assert_eq!(sent.int("a", 0, 9).unwrap(), Field::Value(2));
        assert_eq!(sent.int("b", 0, 9).unwrap(), Field::Value(3));
        assert_eq!(sent.boolean("c").unwrap(), Field::Value(true));
        assert_eq!(sent.boolean("d").unwrap(), Field::Value(false));
        assert_eq!(sent.boolean("e").unwrap(), Field::Value(true));
        assert_eq!(sent.int("f", 0, 9).unwrap(), Field::Null);
        assert_eq!(sent.int("g", 0, 9).unwrap(), Field::Absent);
        assert!(sent.finish().is_ok());
        for bad in [
            json!(1.5),
            json!("x"),
            json!(true),
            json!([]),
            json!(-1),
            json!(10),
            json!(99_999_999_999_i64),
        ] {
            assert!(body(json!({ "a": bad })).int("a", 0, 9).is_err());
        }
        assert!(body(json!({"a": "maybe"})).boolean("a").is_err());
        assert!(body(json!({"a": 2})).boolean("a").is_err());
    }

    #[test]
    fn labels_become_text_as_python_writes_it() {
        let sent =
            json!({"l": {"t": "x", "i": 1, "b": true, "f": 1.5, "w": 1.0, "big": 1e22, "small": 1e-7}});
        let Field::Value(labels) = body(sent).labels("l").unwrap() else {
            panic!("no labels")
        };
        let expected = [
            ("t", "x"),
            ("i", "1"),
            ("b", "True"),
            ("f", "1.5"),
            ("w", "1.0"),
            ("big", "1e+22"),
            ("small", "1e-07"),
        ];
        assert_eq!(labels, Labels::from_iter(expected));
        for bad in [
            json!({"l": {"n": null}}),
            json!({"l": {"o": {}}}),
            json!({"l": [1]}),
            json!({"l": "x"}),
        ] {
            assert!(body(bad).labels("l").is_err());
        }
        assert!(body(json!({"l": {"k": "v".repeat(70_000)}})).labels("l").is_err());
        // A control character takes six bytes where it is stored.
        let sent = |bells: usize| body(json!({"l": {"k": "\u{7}".repeat(bells)}})).labels("l");
        assert!(sent(9_000).is_ok() && sent(11_000).is_err());
    }

    #[test]
    fn what_nobody_takes_is_unknown() {
        let mut sent = body(json!({"name": "a", "colour": "red"}));
        assert_eq!(sent.text("name", 1, 9).unwrap().value().as_deref(), Some("a"));
        assert!(sent.finish().is_err());
        assert!(Body::new("cluster", json!([])).is_err());
        assert!(body(json!({"links": []})).read_only(&["links"]).is_err());
    }
}
