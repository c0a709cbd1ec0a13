//! Labels: the free-form options of templates, clusters and node groups.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Text to text, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

/// How a child's labels differ from its parent's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelDiff {
    /// Keys of both with different values, with the **parent's** values.
    pub overridden: Labels,
    /// Keys of the child only.
    pub added: Labels,
    /// Keys of the parent only.
    pub skipped: Labels,
}

impl Labels {
    /// Value of a label.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// True without labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Labels of a new child: none given means the parent's, `merge` means the parent's updated with the
    /// given ones, else exactly the given ones.
    pub fn inherited(parent: &Self, given: Option<Self>, merge: bool) -> Self {
        match given {
            None => parent.clone(),
            Some(given) if given.is_empty() => parent.clone(),
            Some(given) if merge => {
                let mut labels = parent.clone();
                labels.0.extend(given.0);
                labels
            }
            Some(given) => given,
        }
    }

    /// Compares with the labels of the parent as they are now.
    pub fn diff(&self, parent: &Self) -> LabelDiff {
        let mut diff = LabelDiff::default();
        for (key, value) in &parent.0 {
            match self.0.get(key) {
                None => drop(diff.skipped.0.insert(key.clone(), value.clone())),
                Some(own) if own != value => drop(diff.overridden.0.insert(key.clone(), value.clone())),
                Some(_) => {}
            }
        }
        for (key, value) in &self.0 {
            if !parent.0.contains_key(key) {
                diff.added.0.insert(key.clone(), value.clone());
            }
        }
        diff
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

/// Magnum's loose booleans: `1 t true on y yes` and `0 f false off n no` in any case; `None` for anything else.
pub fn loose_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diff_shows_the_parents_value_of_what_is_overridden() {
        let parent = Labels::from_iter([("a", "1"), ("b", "2"), ("c", "3")]);
        let merged = Labels::inherited(&parent, Some(Labels::from_iter([("a", "9"), ("d", "4")])), true);
        let diff = merged.diff(&parent);
        assert_eq!(diff.overridden, Labels::from_iter([("a", "1")]));
        assert_eq!(diff.added, Labels::from_iter([("d", "4")]));
        assert!(diff.skipped.is_empty());

        let replaced = Labels::inherited(&parent, Some(Labels::from_iter([("a", "1")])), false);
        assert_eq!(
            replaced.diff(&parent).skipped,
            Labels::from_iter([("b", "2"), ("c", "3")])
        );
        assert_eq!(Labels::inherited(&parent, Some(Labels::default()), false), parent);
    }
}
