//! The two small pattern languages of the simulator: globs for fault rules, and the part of regular expressions
//! that people use in Nova's `name` filter.

/// True when `text` matches `glob`, where `*` stands for any run of characters, also an empty one.
pub(crate) fn glob(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut rest = rest;
    let mut last = None;
    for part in parts {
        if let Some(previous) = last.replace(part) {
            let Some(at) = rest.find(previous) else {
                return false;
            };
            rest = &rest[at + previous.len()..];
        }
    }
    match last {
        Some(tail) => rest.ends_with(tail),
        None => rest.is_empty(),
    }
}

/// One element of a simple regular expression, and whether a `*` follows it.
#[derive(Clone, Copy)]
struct Atom {
    literal: Option<char>,
    repeated: bool,
}

/// Searches `text` for a regular expression made of literals, `.`, `*`, `\` escapes and the anchors `^` and `$`.
/// Other operators stand for themselves. Nova hands the filter to its database, which searches likewise.
pub(crate) fn regex_search(pattern: &str, text: &str) -> bool {
    let (anchored, body) = match pattern.strip_prefix('^') {
        Some(body) => (true, body),
        None => (false, pattern),
    };
    let (to_end, body) = match body.strip_suffix('$') {
        Some(head) if !head.ends_with('\\') => (true, head),
        _ => (false, body),
    };
    let mut atoms: Vec<Atom> = Vec::new();
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        match (character, atoms.last_mut()) {
            ('*', Some(atom)) => atom.repeated = true,
            ('.', _) => atoms.push(Atom {
                literal: None,
                repeated: false,
            }),
            ('\\', _) => atoms.push(Atom {
                literal: characters.next(),
                repeated: false,
            }),
            (other, _) => atoms.push(Atom {
                literal: Some(other),
                repeated: false,
            }),
        }
    }
    let text: Vec<char> = text.chars().collect();
    let starts = if anchored { 0..=0 } else { 0..=text.len() };
    starts
        .into_iter()
        .any(|start| matches_here(&atoms, &text[start..], to_end))
}

fn matches_here(atoms: &[Atom], text: &[char], to_end: bool) -> bool {
    let Some((atom, rest)) = atoms.split_first() else {
        return !to_end || text.is_empty();
    };
    let fits = |character: &char| atom.literal.is_none_or(|literal| literal == *character);
    if atom.repeated {
        let longest = text.iter().take_while(|character| fits(character)).count();
        return (0..=longest).any(|used| matches_here(rest, &text[used..], to_end));
    }
    text.first().is_some_and(fits) && matches_here(rest, &text[1..], to_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_star_spans_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*/servers", "/v2.1/servers", true),
            ("*/servers", "/v2.1/servers/x", false),
            ("/v2.1/servers*", "/v2.1/servers/x", true),
            ("/a*b*c", "/aXbYc", true),
            ("/a*b*c", "/aXcYb", false),
            ("/a*a", "/a", false),
            ("/same", "/same", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_name_filter_searches_unless_it_is_anchored() {
        for (pattern, text, expected) in [
            ("node", "my-node-1", true),
            ("^node$", "my-node-1", false),
            ("^my-node-1$", "my-node-1", true),
            ("^a.*z$", "abcz", true),
            ("^a.*z$", "abc", false),
            (r"1\.2", "1x2", false),
            ("", "anything", true),
        ] {
            assert_eq!(regex_search(pattern, text), expected, "{pattern} {text}");
        }
    }
}
