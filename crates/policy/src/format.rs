//! Right sides of checks: text with attributes of the target in it, as Python's `%` fills them in.

use std::borrow::Cow;
use std::fmt;
use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::Value;

use crate::attributes::{Attribute, Attributes};
use crate::evaluate::Stop;
use crate::python;

/// A text with `%(name)s` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `%(key)s`
    Plain(String),
    /// `%(key)` with anything else behind it.
    Formatted(String, Conversion),
    /// What Python cannot format: the reason.
    Broken(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conversion {
    left: bool,
    sign: Option<char>,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

/// Widest field: what is wider is an accident.
const MAX_WIDTH: usize = 4096;

impl Template {
    /// Takes a text apart. What cannot be formatted is found when it is filled in, as in Python.
    pub fn parse(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut letters = source.char_indices().peekable();
        while let Some((_, letter)) = letters.next() {
            if letter != '%' {
                text.push(letter);
                continue;
            }
            if letters.next_if(|(_, next)| *next == '%').is_some() {
                text.push('%');
                continue;
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            let piece = conversion(source, &mut letters);
            let broken = matches!(piece, Piece::Broken(_))
                || matches!(&piece, Piece::Formatted(_, conversion) if conversion.kind == '\0');
            pieces.push(piece);
            if broken {
                break;
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Self {
            source: source.to_owned(),
            pieces,
        }
    }

    /// The attributes it needs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Plain(key) | Piece::Formatted(key, _) => Some(key.as_str()),
            _ => None,
        })
    }

    /// The text for a target.
    pub(crate) fn fill<'a>(&'a self, target: &'a dyn Attributes) -> Result<Cow<'a, str>, Stop> {
        match self.pieces.as_slice() {
            [] => Ok(Cow::Borrowed("")),
            [one] => one.fill(target),
            many => {
                let mut filled = String::new();
                for piece in many {
                    filled.push_str(&piece.fill(target)?);
                }
                Ok(Cow::Owned(filled))
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Piece {
    fn fill<'a>(&'a self, target: &'a dyn Attributes) -> Result<Cow<'a, str>, Stop> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Plain(key) => target.find(key).map(Attribute::text).ok_or(Stop::MissingKey),
            Self::Formatted(key, conversion) => {
                let value = target.find(key).ok_or(Stop::MissingKey)?;
                conversion.write(value).map(Cow::Owned)
            }
            Self::Broken(reason) => Err(Stop::fault(*reason)),
        }
    }
}

/// What follows a percent sign.
fn conversion(source: &str, letters: &mut Peekable<CharIndices<'_>>) -> Piece {
    if letters.next_if(|(_, next)| *next == '(').is_none() {
        return Piece::Broken("a % without the name of an attribute");
    }
    let start = letters.peek().map_or(source.len(), |(index, _)| *index);
    let mut depth = 1;
    let mut end = None;
    for (index, letter) in letters.by_ref() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            end = Some(index);
            break;
        }
    }
    let Some(key) = end.and_then(|end| source.get(start..end)) else {
        return Piece::Broken("an attribute's name without its closing parenthesis");
    };
    let mut conversion = Conversion::default();
    while let Some((_, flag)) = letters.next_if(|(_, next)| "-+ #0".contains(*next)) {
        match flag {
            '-' => conversion.left = true,
            '0' => conversion.zero = true,
            '+' => conversion.sign = Some('+'),
            ' ' => conversion.sign = conversion.sign.or(Some(' ')),
            _ => {}
        }
    }
    conversion.width = number(letters).unwrap_or(0);
    if letters.next_if(|(_, next)| *next == '.').is_some() {
        conversion.precision = Some(number(letters).unwrap_or(0));
    }
    letters.next_if(|(_, next)| "hlL".contains(*next));
    conversion.kind = letters.next().map_or('\0', |(_, kind)| kind);
    if conversion
        == (Conversion {
            kind: 's',
            ..Conversion::default()
        })
    {
        return Piece::Plain(key.to_owned());
    }
    Piece::Formatted(key.to_owned(), conversion)
}

fn number(letters: &mut Peekable<CharIndices<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some((_, digit)) = letters.next_if(|(_, next)| next.is_ascii_digit()) {
        let digit = digit.to_digit(10).unwrap_or(0) as usize;
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit));
    }
    number
}

impl Conversion {
    fn write(&self, value: Attribute<'_>) -> Result<String, Stop> {
        if self.width > MAX_WIDTH || self.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(Stop::fault("a field that is too wide"));
        }
        match self.kind {
            's' => Ok(self.pad(self.cut(&value.text()))),
            'r' => Ok(self.pad(self.cut(&repr(value)))),
            'd' | 'i' | 'u' => self.integer(value),
            '%' => Ok("%".to_owned()),
            '\0' => Err(Stop::fault("a format that ends early")),
            _ => Err(Stop::fault("a conversion that is not s, r or d")),
        }
    }

    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let blanks = " ".repeat(missing);
        if self.left { text + &blanks } else { blanks + &text }
    }

    fn integer(&self, value: Attribute<'_>) -> Result<String, Stop> {
        let text = match value.simple() {
            Attribute::Bool(truth) => i32::from(truth).to_string(),
            Attribute::Json(Value::Number(number)) => match number.as_f64() {
                Some(float) if number.is_f64() => format!("{:.0}", float.trunc()),
                _ => number.to_string(),
            },
            _ => return Err(Stop::fault("a number is needed for %d")),
        };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (digits != "0", digits),
            None => (false, text.as_str()),
        };
        let sign = if negative { Some('-') } else { self.sign };
        let sign = sign.map_or(String::new(), String::from);
        let least = match self.precision {
            _ if self.zero && !self.left => self.width.saturating_sub(sign.len()),
            _ => 0,
        };
        let least = least.max(self.precision.unwrap_or(0));
        Ok(self.pad(format!("{sign}{digits:0>least$}")))
    }
}

fn repr(value: Attribute<'_>) -> String {
    match value.simple() {
        Attribute::Text(text) => python::repr_of(&Value::from(text)),
        other => other.text().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn fill(template: &str) -> Result<String, Stop> {
        let Value::Object(target): Value = json!({"a": "x", "b": null, "n": -7, "l": ["y"], "p(q)": "z"})
        else {
            return Ok(String::new());
        };
        let target: Map<String, Value> = target;
        Template::parse(template).fill(&target).map(Cow::into_owned)
    }

    #[test]
    fn attributes_of_the_target_are_filled_in_as_python_does() {
        for (template, text) in [
            ("", ""),
            ("plain", "plain"),
            ("%(a)s", "x"),
            ("%(a)s:%(b)s", "x:None"),
            ("100%%%(a)s", "100%x"),
            ("%(l)s", "['y']"),
            ("%(a)r", "'x'"),
            ("%(n)05d", "-0007"),
            ("%(n)d", "-7"),
            ("%(a)3s|%(a)-3s|", "  x|x  |"),
            ("%(p(q))s", "z"),
        ] {
            assert_eq!(fill(template).unwrap(), text, "{template}");
        }
        assert!(matches!(fill("%(none)s"), Err(Stop::MissingKey)));
        assert!(matches!(fill("%(none)"), Err(Stop::MissingKey)));
        for broken in ["%(a)", "%(a", "%s", "50%", "%(a)d", "%(a)y", "%(a)99999s"] {
            assert!(matches!(fill(broken), Err(Stop::Fault(_))), "{broken}");
        }
    }
}
