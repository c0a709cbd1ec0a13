//! Left sides of checks: a literal of Python, or the path of an attribute of the credentials. oslo.policy asks
//! Python itself (`ast.literal_eval`): what is a literal counts as its text, what is any other expression is a
//! path, and what is no expression at all is an error each time the rule is used.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

use crate::python;

/// The side of a check in front of its colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    source: String,
    pub(crate) meaning: Meaning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The text of a literal.
    Literal(String),
    /// Names to follow through the credentials.
    Path(Vec<String>),
    /// Neither.
    Broken,
}

impl Left {
    /// Finds out what a text is.
    pub fn parse(source: &str) -> Self {
        let meaning = match read(source) {
            Some(Expression::Literal(text)) => Meaning::Literal(text),
            Some(Expression::Other) => Meaning::Path(source.split('.').map(str::to_owned).collect()),
            None => Meaning::Broken,
        };
        Self {
            source: source.to_owned(),
            meaning,
        }
    }

    /// False for a text that no check can be made with.
    pub fn is_usable(&self) -> bool {
        self.meaning != Meaning::Broken
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

enum Expression {
    /// A literal with its `str()`.
    Literal(String),
    /// Something that would have to be computed.
    Other,
}

/// A part of an expression.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, `True` and its like among them.
    Name(String),
    /// A number, as `str()` writes it.
    Number(String),
    /// A text without its quotes.
    Text(String),
    /// A text that no literal is: with a prefix for formatting or for bytes.
    OddText,
    /// Between two operands.
    Binary,
    /// `+` or `-`: in front of an operand or between two.
    Sign(char),
    /// `~`
    Tilde,
    Dot,
    Comma,
    /// A bracket, by the one that closes it.
    Open(char),
    Close(char),
}

/// Words that are no names.
const KEYWORDS: [&str; 31] = [
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
    "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "or",
    "pass", "raise", "return", "try", "while", "with", "yield",
];

/// `None` for what is no expression. Of collections of literals, which nobody compares with, none is made.
fn read(source: &str) -> Option<Expression> {
    let tokens = tokens(source.trim_start_matches([' ', '\t']))?;
    if let Some(text) = scalar(&tokens) {
        return Some(Expression::Literal(text));
    }
    let has_names = tokens
        .iter()
        .any(|token| matches!(token, Token::Name(name) if constant(name).is_none()));
    let has_collections = tokens
        .iter()
        .any(|token| matches!(token, Token::Open(_) | Token::Comma));
    (is_expression(&tokens) && (has_names || !has_collections)).then_some(Expression::Other)
}

/// `str()` of a constant's name.
fn constant(name: &str) -> Option<&str> {
    matches!(name, "True" | "False" | "None").then_some(name)
}

fn scalar(tokens: &[Token]) -> Option<String> {
    match tokens {
        [Token::Name(name)] => constant(name).map(str::to_owned),
        [Token::Sign('+'), Token::Number(number)] | [Token::Number(number)] => Some(number.clone()),
        [Token::Sign(_), Token::Number(number)] if number == "0" => Some("0".to_owned()),
        [Token::Sign(_), Token::Number(number)] => Some(format!("-{number}")),
        [Token::Text(_), ..] => tokens
            .iter()
            .map(|token| match token {
                Token::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// True if operands and operators follow each other as they must.
fn is_expression(tokens: &[Token]) -> bool {
    let mut open = Vec::new();
    let mut operand_next = true;
    let mut previous: Option<&Token> = None;
    for token in tokens {
        let after_open = matches!(previous, Some(Token::Open(_)));
        let after_comma = matches!(previous, Some(Token::Comma));
        let after_text = matches!(previous, Some(Token::Text(_) | Token::OddText));
        match token {
            Token::Name(name) if name == "not" && operand_next && !matches!(previous, Some(Token::Dot)) => {}
            Token::Name(name) if name == "not" || KEYWORDS.contains(&name.as_str()) => return false,
            Token::Name(_) | Token::Number(_) if operand_next => operand_next = false,
            Token::Text(_) | Token::OddText if operand_next || after_text => operand_next = false,
            Token::Open(bracket) if operand_next => open.push(*bracket),
            Token::Open(bracket @ (')' | ']')) => {
                open.push(*bracket);
                operand_next = true;
            }
            Token::Close(bracket) if !operand_next || after_open || after_comma => {
                if open.pop() != Some(*bracket) {
                    return false;
                }
                operand_next = false;
            }
            Token::Sign(_) | Token::Tilde if operand_next && !matches!(previous, Some(Token::Dot)) => {}
            Token::Sign(_) | Token::Binary | Token::Dot | Token::Comma if !operand_next => {
                operand_next = true
            }
            _ => return false,
        }
        if matches!(previous, Some(Token::Dot))
            && !matches!(token, Token::Name(name) if constant(name).is_none())
        {
            return false;
        }
        previous = Some(token);
    }
    let complete = !operand_next || matches!(previous, Some(Token::Comma));
    open.is_empty() && complete && !tokens.is_empty()
}

fn tokens(source: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = source.chars().peekable();
    while let Some(letter) = letters.peek().copied() {
        let token = match letter {
            ' ' | '\t' | '\u{c}' => {
                letters.next();
                continue;
            }
            '\'' | '"' => Token::Text(text(&mut letters, false)?),
            letter if letter.is_ascii_digit() => Token::Number(number(&mut letters)?),
            letter if is_name_start(letter) => name_or_text(&mut letters)?,
            _ => operator(&mut letters)?,
        };
        tokens.push(token);
    }
    Some(tokens)
}

fn is_name_start(letter: char) -> bool {
    letter == '_' || letter.is_alphabetic()
}

fn name_or_text(letters: &mut Peekable<Chars<'_>>) -> Option<Token> {
    let mut name = String::new();
    while let Some(letter) = letters.next_if(|letter| is_name_start(*letter) || letter.is_numeric()) {
        name.push(letter);
    }
    if !matches!(letters.peek(), Some('\'' | '"')) {
        return Some(Token::Name(name));
    }
    match name.to_ascii_lowercase().as_str() {
        "u" => Some(Token::Text(text(letters, false)?)),
        "r" => Some(Token::Text(text(letters, true)?)),
        "b" | "f" => text(letters, false).map(|_| Token::OddText),
        "br" | "rb" | "fr" | "rf" => text(letters, true).map(|_| Token::OddText),
        _ => None,
    }
}

fn operator(letters: &mut Peekable<Chars<'_>>) -> Option<Token> {
    let letter = letters.next()?;
    let mut twice = |second: char| letters.next_if(|next| *next == second).is_some();
    Some(match letter {
        '+' | '-' => Token::Sign(letter),
        '*' | '/' => {
            twice(letter);
            Token::Binary
        }
        '%' | '@' | '&' | '|' | '^' => Token::Binary,
        '<' | '>' => {
            let _ = twice(letter) || twice('=');
            Token::Binary
        }
        '=' | '!' if twice('=') => Token::Binary,
        '~' => Token::Tilde,
        '.' => Token::Dot,
        ',' => Token::Comma,
        '(' => Token::Open(')'),
        '[' => Token::Open(']'),
        '{' => Token::Open('}'),
        ')' | ']' | '}' => Token::Close(letter),
        _ => return None,
    })
}

/// A number; what is glued to it makes it none.
fn number(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut digits = String::new();
    let mut last = ' ';
    while let Some(letter) = letters.next_if(|letter| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '_' | '.')
            || (matches!(letter, '+' | '-') && matches!(last, 'e' | 'E') && !digits.starts_with("0x"))
    }) {
        digits.push(letter);
        last = letter;
    }
    if letters.peek().is_some_and(|letter| is_name_start(*letter)) {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            let rest = without_underscores(rest.strip_prefix('_').unwrap_or(rest))?;
            return u128::from_str_radix(&rest, radix)
                .ok()
                .map(|number| number.to_string());
        }
    }
    let plain = without_underscores(&lower)?;
    if plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let significant = plain.trim_start_matches('0');
        return match (significant.is_empty(), plain.starts_with('0')) {
            (true, _) => Some("0".to_owned()),
            (false, true) => None,
            (false, false) => Some(plain),
        };
    }
    let is_float = plain
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte));
    let float: f64 = is_float.then(|| plain.parse().ok())??;
    Some(python::float_text(float))
}

/// Underscores only between digits.
fn without_underscores(digits: &str) -> Option<String> {
    let wrong = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!wrong && !digits.is_empty()).then(|| digits.replace('_', ""))
}

/// A text in single or double quotes, or in three of them.
fn text(letters: &mut Peekable<Chars<'_>>, raw: bool) -> Option<String> {
    let quote = letters.next()?;
    let mut triple = false;
    if letters.next_if_eq(&quote).is_some() {
        if letters.next_if_eq(&quote).is_none() {
            return Some(String::new());
        }
        triple = true;
    }
    let mut text = String::new();
    loop {
        match letters.next()? {
            letter if letter == quote && !triple => return Some(text),
            letter if letter == quote => {
                let mut ahead = letters.clone();
                if ahead.next() == Some(quote) && ahead.next() == Some(quote) {
                    letters.nth(1);
                    return Some(text);
                }
                text.push(quote);
            }
            '\n' if !triple => return None,
            '\\' if raw => {
                text.push('\\');
                text.push(letters.next()?);
            }
            '\\' => escape(letters, &mut text)?,
            letter => text.push(letter),
        }
    }
}

fn escape(letters: &mut Peekable<Chars<'_>>, text: &mut String) -> Option<()> {
    let letter = letters.next()?;
    let hexadecimal = |letters: &mut Peekable<Chars<'_>>, digits: usize| {
        let code: String = (0..digits)
            .map(|_| letters.next_if(char::is_ascii_hexdigit))
            .collect::<Option<_>>()?;
        char::from_u32(u32::from_str_radix(&code, 16).ok()?)
    };
    match letter {
        '\n' => {}
        '\\' | '\'' | '"' => text.push(letter),
        'a' => text.push('\u{7}'),
        'b' => text.push('\u{8}'),
        'f' => text.push('\u{c}'),
        'n' => text.push('\n'),
        'r' => text.push('\r'),
        't' => text.push('\t'),
        'v' => text.push('\u{b}'),
        'x' => text.push(hexadecimal(letters, 2)?),
        'u' => text.push(hexadecimal(letters, 4)?),
        'U' => text.push(hexadecimal(letters, 8)?),
        'N' => return None,
        '0'..='7' => {
            let mut code = letter.to_digit(8)?;
            for _ in 0..2 {
                let Some(digit) = letters.next_if(|next| next.is_digit(8)) else {
                    break;
                };
                code = code * 8 + digit.to_digit(8)?;
            }
            text.push(char::from_u32(code)?);
        }
        other => {
            text.push('\\');
            text.push(other);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_count_as_their_text() {
        for (source, text) in [
            ("'Member'", "Member"),
            ("\"x\"", "x"),
            ("u'x'", "x"),
            ("r'\\n'", "\\n"),
            ("'a''b'", "ab"),
            ("'\\x41\\101\\q'", "AA\\q"),
            ("''", ""),
            ("None", "None"),
            ("True", "True"),
            ("00000", "0"),
            ("1_000", "1000"),
            ("-5", "-5"),
            ("0x10", "16"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
        ] {
            assert_eq!(
                Left::parse(source).meaning,
                Meaning::Literal(text.to_owned()),
                "{source}"
            );
        }
    }

    #[test]
    fn expressions_are_paths_and_what_is_none_is_an_error() {
        for path in [
            "user_id",
            "a.b.c",
            "project-id",
            "a/b",
            "os.x-y",
            "-a",
            "1-2",
            "a[0]",
            "f(x,)",
            "b'x'",
            "é",
        ] {
            let parts = path.split('.').map(str::to_owned).collect();
            assert_eq!(Left::parse(path).meaning, Meaning::Path(parts), "{path}");
        }
        for broken in [
            "", "a..b", ".a", "a.", "class", "not", "a.not", "a b", "a-", "1a", "012", "'a", "a.1", "a.-b",
            "a!", "$a", "(a", "a)", "[1]", "a=b", "1__0",
        ] {
            assert_eq!(Left::parse(broken).meaning, Meaning::Broken, "{broken}");
        }
    }
}
