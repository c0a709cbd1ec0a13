//! A call of a session, built by the modules of the services: path, query, body, and what is read of the answer.

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Kind};
use crate::service::Service;
use crate::session::Session;
use crate::wire::{Answer, Wire};

/// Pages of a list that are followed.
const PAGES_MAX: usize = 1000;

#[derive(Clone)]
pub(crate) struct Call<'a> {
    session: &'a Session,
    service: Service,
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(String, String)>,
    body: Option<Value>,
    microversion: Option<&'static str>,
    header: Option<(&'static str, &'static str)>,
    subject: Option<&'a SecretString>,
    harmless: bool,
}

impl Session {
    /// A call below the API's root of a service; each item of `path` is one segment and is escaped.
    pub(crate) fn call<'a>(&'a self, service: Service, method: Method, path: &[&'a str]) -> Call<'a> {
        Call {
            session: self,
            service,
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            microversion: None,
            header: None,
            subject: None,
            harmless: false,
        }
    }
}

impl<'a> Call<'a> {
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub fn query_if(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub fn body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Value of `OpenStack-API-Version`, such as `compute 2.67`.
    pub fn microversion(self, version: &'static str) -> Self {
        Self {
            microversion: Some(version),
            ..self
        }
    }

    /// One more header.
    pub fn header(self, name: &'static str, value: &'static str) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }

    /// Token that the call is about.
    pub fn subject(self, token: &'a SecretString) -> Self {
        Self {
            subject: Some(token),
            ..self
        }
    }

    /// Says that the call changes nothing although its method is not GET.
    pub fn harmless(self) -> Self {
        Self {
            harmless: true,
            ..self
        }
    }

    /// Sends it; anything but 2xx is an error.
    pub async fn send(self) -> Result<Answer, Error> {
        // A segment that URLs resolve away would turn a call about one thing into one about all of them.
        if self
            .path
            .iter()
            .any(|segment| matches!(*segment, "" | "." | ".."))
        {
            return Err(Error::new(
                self.service.name(),
                Kind::NotFound,
                "nothing can have this name",
            ));
        }
        self.session.send(self.service, |root| self.wire(root)).await
    }

    fn wire(&self, mut url: Url) -> Result<Wire, Error> {
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut wire = Wire::new(self.service, self.method.clone(), url);
        wire.harmless |= self.harmless;
        wire.body = self.body.as_ref().map(|body| body.to_string().into_bytes());
        if let Some(version) = self.microversion {
            wire.headers.insert(
                "openstack-api-version",
                reqwest::header::HeaderValue::from_static(version),
            );
        }
        if let Some((name, value)) = self.header {
            wire.headers
                .insert(name, reqwest::header::HeaderValue::from_static(value));
        }
        if let Some(subject) = self.subject {
            wire.secret_header("x-subject-token", subject)?;
        }
        Ok(wire)
    }

    /// Sends it and ignores what the answer holds.
    pub async fn done(self) -> Result<(), Error> {
        self.send().await.map(drop)
    }

    /// Sends a deletion; what is gone already counts as deleted.
    pub async fn gone(self) -> Result<(), Error> {
        match self.done().await {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    /// Sends it and reads the answer's member `key`.
    pub async fn read<T: DeserializeOwned>(self, key: &str) -> Result<T, Error> {
        let answer = self.send().await?;
        take(&answer, &mut answer.json()?, key)
    }

    /// As [`Call::read`], with `None` for 404.
    pub async fn find<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, Error> {
        match self.read(key).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends it and reads the list `key`, following the links to further pages.
    pub async fn list<T: DeserializeOwned>(mut self, key: &str) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.clone().send().await?;
            let mut body = answer.json()?;
            all.extend(take::<Vec<T>>(&answer, &mut body, key)?);
            match next_page(&body, key) {
                Some(query) if query != self.query => self.query = query,
                _ => return Ok(all),
            }
        }
        Err(Error::new(
            self.service.name(),
            Kind::Malformed,
            format!("the list of {key} has no end"),
        ))
    }
}

fn take<T: DeserializeOwned>(answer: &Answer, body: &mut Value, key: &str) -> Result<T, Error> {
    let member = body.get_mut(key).map(Value::take).unwrap_or_default();
    serde_json::from_value(member)
        .map_err(|_| answer.malformed(format!("the answer holds no valid \"{key}\"")))
}

/// Query of the link to the next page: `<key>_links` of Nova, Neutron, Cinder and Octavia, `next` of Glance,
/// `links.next` of Keystone. Only the query is taken, since behind proxies the rest often leads nowhere.
fn next_page(body: &Value, key: &str) -> Option<Vec<(String, String)>> {
    let numbered = body.get(format!("{key}_links")).and_then(Value::as_array);
    let link = numbered
        .and_then(|links| links.iter().find(|link| link["rel"] == "next"))
        .and_then(|link| link.get("href"))
        .or_else(|| body.get("next"))
        .or_else(|| body.get("links").and_then(|links| links.get("next")))?
        .as_str()?;
    let (_, query) = link.split_once('?')?;
    let mut url = Url::parse("http://page/").ok()?;
    url.set_query(Some(query));
    Some(url.query_pairs().into_owned().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn links_to_the_next_page_are_found_in_each_service_s_shape() {
        let expected = Some(vec![
            ("name".to_owned(), "a b".to_owned()),
            ("marker".to_owned(), "x".to_owned()),
        ]);
        for body in [
            json!({"ports": [], "ports_links": [{"rel": "previous", "href": "http://h/?marker=0"},
                {"rel": "next", "href": "http://h:9696/v2.0/ports?name=a+b&marker=x"}]}),
            json!({"ports": [], "next": "/v2/ports?name=a%20b&marker=x"}),
            json!({"ports": [], "links": {"self": "http://h", "next": "http://h/v3/ports?name=a+b&marker=x"}}),
        ] {
            assert_eq!(next_page(&body, "ports"), expected);
        }
        assert_eq!(
            next_page(&json!({"ports": [], "links": {"next": null}}), "ports"),
            None
        );
    }
}
