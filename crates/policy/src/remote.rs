//! Servers that decide: what they are asked, and how their answer is read. The network is the caller's.

use std::future::Future;

use serde_json::{Map, Value, json};

use crate::attributes::Attributes;

/// Asks the servers of `http:` and `https:` checks.
pub trait Remote: Sync {
    /// What the server says. An error refuses what was asked, with this reason.
    fn ask(&self, question: &Question<'_>) -> impl Future<Output = Result<bool, String>> + Send;
}

/// A question to a server.
pub struct Question<'a> {
    /// Where it is.
    pub address: &'a str,
    /// The rule that is enforced.
    pub rule: &'a str,
    /// What is asked for.
    pub target: &'a dyn Attributes,
    /// Who asks.
    pub credentials: &'a dyn Attributes,
}

impl Question<'_> {
    /// Everything known of who asks; `system` is there as another name of `system_scope`.
    fn all_credentials(&self) -> Map<String, Value> {
        let mut all = self.credentials.to_json();
        if let Some(scope) = self.credentials.find("system_scope")
            && scope.is_truthy()
        {
            let scope = all.get("system_scope").cloned().unwrap_or_default();
            all.insert("system".to_owned(), scope);
        }
        all
    }

    /// The body as `application/json`.
    pub fn json(&self) -> Value {
        json!({
            "rule": self.rule,
            "target": self.target.to_json(),
            "credentials": self.all_credentials(),
        })
    }

    /// The fields of the body as `application/x-www-form-urlencoded`: each value is JSON.
    pub fn form(&self) -> [(&'static str, String); 3] {
        [
            ("rule", Value::from(self.rule).to_string()),
            ("target", Value::Object(self.target.to_json()).to_string()),
            ("credentials", Value::Object(self.all_credentials()).to_string()),
        ]
    }
}

/// Reads an answer: only the text `True`, in quotes or not, grants.
pub fn is_granted(answer: &str) -> bool {
    answer.trim_matches('"') == "True"
}

/// For rules that are known to ask nobody: each question is an error.
#[derive(Clone, Copy, Debug)]
pub struct NoRemote;

impl Remote for NoRemote {
    async fn ask(&self, question: &Question<'_>) -> Result<bool, String> {
        Err(format!("{} is not asked here", question.address))
    }
}
