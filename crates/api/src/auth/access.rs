//! Access rules of application credentials: the only requests that their tokens are good for.

use axum::http::Method;
use jeroboam_cloud::AccessRule;

/// True when one of the rules names the request. `service` is this service's type in the catalog.
pub(super) fn allow(rules: &[AccessRule], service: &str, method: &Method, path: &str) -> bool {
    rules
        .iter()
        .any(|rule| rule.service == service && rule.method == method.as_str() && fits(&rule.path, path))
}

/// A part of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(char),
    /// One character that is no slash.
    Segment,
    /// Any number of characters that are no slashes.
    SegmentMore,
    /// Any text.
    Any,
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::with_capacity(pattern.len() + 1);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let after = match first {
            '*' => rest.strip_prefix("**"),
            '{' => rest.split_once('}').map(|(_, after)| after),
            _ => None,
        };
        rest = match (first, after) {
            ('*', Some(after)) => {
                parts.push(Part::Any);
                after
            }
            ('*', None) => {
                parts.extend([Part::Segment, Part::SegmentMore]);
                &rest[1..]
            }
            (_, Some(after)) => {
                parts.extend([Part::Segment, Part::SegmentMore]);
                after
            }
            (literal, None) => {
                parts.push(Part::Literal(literal));
                &rest[literal.len_utf8()..]
            }
        };
    }
    parts
}

/// Whether a path fits a pattern, in which `*` and `{name}` stand for one or more characters but no slash, and `**`
/// for any text. Patterns are the user's, so all ways to match go on side by side: the time is bounded by the product
/// of both lengths.
fn fits(pattern: &str, path: &str) -> bool {
    let parts = parts(pattern);
    // `open[i]`: what was read so far fits the parts before the i-th.
    let mut open = vec![false; parts.len() + 1];
    open[0] = true;
    skip(&parts, &mut open);
    for next in path.chars() {
        let mut then = vec![false; parts.len() + 1];
        for (index, part) in parts.iter().enumerate().filter(|(index, _)| open[*index]) {
            match part {
                Part::Literal(literal) => then[index + 1] |= *literal == next,
                Part::Segment => then[index + 1] |= next != '/',
                Part::SegmentMore => then[index] |= next != '/',
                Part::Any => then[index] = true,
            }
        }
        skip(&parts, &mut then);
        open = then;
    }
    open[parts.len()]
}

/// Parts that stand for any number of characters may stand for none.
fn skip(parts: &[Part], open: &mut [bool]) {
    for (index, part) in parts.iter().enumerate() {
        if matches!(part, Part::SegmentMore | Part::Any) {
            open[index + 1] |= open[index];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_keystonemiddleware() {
        for (pattern, path, expected) in [
            ("/v1/clusters", "/v1/clusters", true),
            ("/v1/clusters", "/v1/clusters/", false),
            ("/v1/clusters/*", "/v1/clusters/x", true),
            ("/v1/clusters/*", "/v1/clusters/", false),
            ("/v1/clusters/*", "/v1/clusters/x/nodegroups", false),
            ("/v1/clusters/{id}/nodegroups", "/v1/clusters/x/nodegroups", true),
            ("/v1/clusters/**", "/v1/clusters/x/nodegroups", true),
            ("/v1/clusters/**", "/v1/clusters/", true),
            ("**", "/anything", true),
            ("/v1/*s", "/v1/clusters", true),
            ("/v1/clusters.x", "/v1/clustersax", false),
            ("/v1/{open", "/v1/x", false),
            ("", "/", false),
            ("/v1/**/x/*", "/v1/a/x/x/y", true),
            ("ü*", "üö", true),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        assert!(!fits(&"**a".repeat(40), &"a".repeat(30).replace('a', "ab")));
    }

    #[test]
    fn a_rule_is_for_one_service_and_one_method() {
        let rule = |service: &str, method: &str| AccessRule {
            service: service.to_owned(),
            method: method.to_owned(),
            path: "/v1/clusters".to_owned(),
        };
        let ours = "container-infra";
        assert!(allow(&[rule(ours, "GET")], ours, &Method::GET, "/v1/clusters"));
        assert!(!allow(&[rule(ours, "GET")], ours, &Method::POST, "/v1/clusters"));
        assert!(!allow(
            &[rule("compute", "GET")],
            ours,
            &Method::GET,
            "/v1/clusters"
        ));
        assert!(!allow(&[], ours, &Method::GET, "/v1/clusters"));
    }
}
