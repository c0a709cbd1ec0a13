//! Maps written as Python literals: clients send labels in patches so (`{'a': 'b'}`), since Magnum once took
//! nothing else. JSON of the same shape is read too.

use serde_json::{Map, Value};

/// Reads a flat map of texts, numbers, booleans and null; `None` for anything else.
pub(crate) fn parse_map(text: &str) -> Option<Map<String, Value>> {
    let mut reader = Reader { rest: text.trim() };
    let map = reader.map()?;
    reader.rest.is_empty().then_some(map)
}

/// Reads a list of such maps; `None` for anything else.
pub(crate) fn parse_maps(text: &str) -> Option<Vec<Value>> {
    let mut reader = Reader { rest: text.trim() };
    let mut maps = Vec::new();
    reader.eat('[')?;
    while reader.eat(']').is_none() {
        maps.push(Value::Object(reader.map()?));
        if reader.eat(',').is_none() {
            reader.eat(']')?;
            break;
        }
    }
    reader.rest.is_empty().then_some(maps)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn eat(&mut self, token: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?.trim_start();
        Some(())
    }

    fn map(&mut self) -> Option<Map<String, Value>> {
        let mut map = Map::new();
        self.eat('{')?;
        while self.eat('}').is_none() {
            let key = self.text()?;
            self.eat(':')?;
            let value = self.value()?;
            map.insert(key, value);
            if self.eat(',').is_none() {
                self.eat('}')?;
                break;
            }
        }
        Some(map)
    }

    fn value(&mut self) -> Option<Value> {
        if self.rest.starts_with(['\'', '"']) {
            return self.text().map(Value::String);
        }
        let end = self.rest.find([',', '}']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        match word.trim() {
            "True" | "true" => Some(Value::Bool(true)),
            "False" | "false" => Some(Value::Bool(false)),
            "None" | "null" => Some(Value::Null),
            number => number.parse().ok().map(Value::Number),
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => text.push(escaped(&mut characters)?),
                '\n' => return None,
                end if end == quote => {
                    self.rest = self.rest[at + quote.len_utf8()..].trim_start();
                    return Some(text);
                }
                other => text.push(other),
            }
        }
        None
    }
}

/// What stands behind a backslash: everything that JSON or `repr()` of Python writes.
fn escaped(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, character) = characters.next()?;
    match character {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        '\\' | '\'' | '"' | '/' => Some(character),
        'x' => char::from_u32(code(characters, 2)?),
        'U' => char::from_u32(code(characters, 8)?),
        'u' => match code(characters, 4)? {
            // JSON writes what is beyond 16 bits as two halves.
            high @ 0xd800..0xdc00 => {
                let begin = (characters.next()?.1, characters.next()?.1);
                let low = code(characters, 4)?.checked_sub(0xdc00)?;
                (begin == ('\\', 'u') && low < 0x400)
                    .then(|| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low))?
            }
            unit => char::from_u32(unit),
        },
        _ => None,
    }
}

fn code(characters: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> Option<u32> {
    let mut value: u32 = 0;
    for _ in 0..digits {
        value = value.checked_mul(16)? + characters.next()?.1.to_digit(16)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn python_and_json_spellings_mean_the_same() {
        for text in [
            r#"{'a': 'b', 'n': 1, 't': True, 'q': "it's", 'u': '\u00e9'}"#,
            r#" {"a":"b","n":1,"t":true,"q":"it's","u":"é",} "#,
        ] {
            let expected = json!({"a": "b", "n": 1, "t": true, "q": "it's", "u": "é"});
            assert_eq!(parse_map(text).map(Value::Object), Some(expected), "{text}");
        }
        assert_eq!(parse_map("{}").map(|map| map.len()), Some(0));
    }

    #[test]
    fn every_escape_of_json_is_read() {
        let all = "\u{0}\u{8}\u{c}\n\r\t\"\\/\u{1f}é\u{1f600}";
        let written = json!({ "a": all });
        assert_eq!(
            parse_map(&written.to_string()).map(Value::Object),
            Some(written.clone())
        );
        let ascii = r#"{"a": "\u0000\b\f\n\r\t\"\\\/\u001f\u00e9\ud83d\ude00"}"#;
        assert_eq!(parse_map(ascii).map(Value::Object), Some(written));
        for text in [
            r"{'a': '\ud83d'}",
            r"{'a': '\ud83dxxde00'}",
            r"{'a': '\ud83d\u0041'}",
            r"{'a': '\ude00'}",
            r"{'a': '\Uffffffff'}",
            r"{'a': '\q'}",
        ] {
            assert_eq!(parse_map(text), None, "{text}");
        }
    }

    #[test]
    fn lists_hold_maps_and_nothing_else() {
        let text = "[{'key': 'gpu', 'effect': 'NoSchedule'}, {\"key\": \"b\"}]";
        let expected = json!([{"key": "gpu", "effect": "NoSchedule"}, {"key": "b"}]);
        assert_eq!(parse_maps(text).map(Value::Array), Some(expected));
        assert_eq!(parse_maps("[]"), Some(Vec::new()));
        for text in ["", "[", "['a']", "{}", "[{}] x", "[{}", "[{},,]"] {
            assert_eq!(parse_maps(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "{",
            "{'a'}",
            "{'a': }",
            "['a']",
            "{'a': ['b']}",
            "{'a': {}}",
            "{'a': 'b'} x",
            "{a: 1}",
            "{'a': 'b",
            "dict()",
        ] {
            assert_eq!(parse_map(text), None, "{text}");
        }
    }
}
