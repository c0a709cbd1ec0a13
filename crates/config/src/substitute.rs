//! `$name`, `${name}` and `$group.name` in values, as oslo.config replaces them.

/// Replaces every reference in `text` by what `resolve` gives for its name. `$$` and `\$` stand for a dollar; a
/// dollar before anything but a name stays.
pub(crate) fn substitute<E>(
    text: &str,
    mut resolve: impl FnMut(&str) -> Result<String, E>,
) -> Result<String, E> {
    let text = text.replace("\\$", "$$");
    let mut rest = text.as_str();
    let mut done = String::with_capacity(rest.len());
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(escaped) = after.strip_prefix('$') {
            done.push('$');
            rest = escaped;
        } else if let Some((name, remaining)) = reference(after) {
            done.push_str(&resolve(name)?);
            rest = remaining;
        } else {
            done.push('$');
            rest = after;
        }
    }
    done.push_str(rest);
    Ok(done)
}

/// The name at the beginning of what follows a dollar, and what follows the name.
fn reference(after: &str) -> Option<(&str, &str)> {
    match after.strip_prefix('{') {
        Some(braced) => {
            let (name, rest) = identifier(braced)?;
            Some((name, rest.strip_prefix('}')?))
        }
        None => identifier(after),
    }
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let end = text.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_' || next == '.'));
    begins.then(|| text.split_at(end.unwrap_or(text.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every expectation was taken from oslo.config 10.7.0 by running it, with `state_path = /var`.
    #[test]
    fn references_are_those_of_oslo_config() {
        for (text, expected) in [
            ("$state_path/x", "</var>/x"),
            ("${state_path}x", "</var>x"),
            ("$state_path-x", "</var>-x"),
            ("$$state_path", "$state_path"),
            ("\\$state_path", "$state_path"),
            ("$", "$"),
            ("a$", "a$"),
            ("$1", "$1"),
            ("${", "${"),
            ("${state_path", "${state_path"),
            ("${state_path }", "${state_path }"),
            ("$state_path$state_path", "</var></var>"),
            ("$$$state_path", "$</var>"),
            ("ü$state_path", "ü</var>"),
        ] {
            let replaced = substitute(text, |name| match name {
                "state_path" => Ok("</var>".to_owned()),
                other => Err(other.to_owned()),
            });
            assert_eq!(replaced.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_trailing_dot_belongs_to_the_name() {
        for (text, name) in [
            ("$state_path.", "state_path."),
            ("$g.own", "g.own"),
            ("${g.own}", "g.own"),
        ] {
            assert_eq!(
                substitute(text, |name| Err::<String, _>(name.to_owned())),
                Err(name.to_owned())
            );
        }
    }
}
