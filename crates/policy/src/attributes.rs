//! What is known of the one who asks and of what is asked for, without copying it for each check.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::python;

/// A value of credentials or of a target.
#[derive(Clone, Copy, Debug)]
pub enum Attribute<'a> {
    /// Known to be nothing, which is not the same as not known.
    None,
    /// A truth.
    Bool(bool),
    /// A text.
    Text(&'a str),
    /// Some texts.
    Texts(&'a [String]),
    /// Anything.
    Json(&'a Value),
}

impl<'a> Attribute<'a> {
    /// As Python's `str()` writes it.
    pub(crate) fn text(self) -> Cow<'a, str> {
        match self.simple() {
            Attribute::None => Cow::Borrowed("None"),
            Attribute::Bool(true) => Cow::Borrowed("True"),
            Attribute::Bool(false) => Cow::Borrowed("False"),
            Attribute::Text(text) => Cow::Borrowed(text),
            Attribute::Texts(texts) => Cow::Owned(python::repr_list(texts)),
            Attribute::Json(value) => python::str_of(value),
        }
    }

    /// What Python takes for true.
    pub(crate) fn is_truthy(self) -> bool {
        match self.simple() {
            Attribute::None => false,
            Attribute::Bool(truth) => truth,
            Attribute::Text(text) => !text.is_empty(),
            Attribute::Texts(texts) => !texts.is_empty(),
            Attribute::Json(Value::Array(all)) => !all.is_empty(),
            Attribute::Json(Value::Object(all)) => !all.is_empty(),
            Attribute::Json(Value::Number(number)) => number.as_f64() != Some(0.0),
            Attribute::Json(_) => true,
        }
    }

    /// Without JSON around what has a form of its own.
    pub(crate) fn simple(self) -> Self {
        match self {
            Attribute::Json(Value::Null) => Attribute::None,
            Attribute::Json(Value::Bool(truth)) => Attribute::Bool(*truth),
            Attribute::Json(Value::String(text)) => Attribute::Text(text),
            other => other,
        }
    }
}

/// Named values: credentials, or a target.
pub trait Attributes: Sync {
    /// The value of a name.
    fn find(&self, name: &str) -> Option<Attribute<'_>>;

    /// All of them, for servers that decide.
    fn to_json(&self) -> Map<String, Value>;
}

impl Attributes for Map<String, Value> {
    fn find(&self, name: &str) -> Option<Attribute<'_>> {
        self.get(name).map(Attribute::Json)
    }

    fn to_json(&self) -> Map<String, Value> {
        self.clone()
    }
}
