//! Flavors.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use reqwest::Method;
use serde::Deserialize;

use super::call;
use crate::error::Error;
use crate::find::{Find, looks_like_id};
use crate::session::Session;

/// A flavor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    /// Id: any text.
    pub id: String,
    /// Name, unique in the deployment.
    pub name: String,
    /// Memory in MiB.
    #[serde(rename = "ram")]
    pub ram_mib: u64,
    /// Virtual processors.
    pub vcpus: u32,
    /// Root disk in GiB.
    #[serde(rename = "disk")]
    pub disk_gib: u32,
}

/// Flavors that the caller can use, by id or else by name. What looks like an id is asked for as one. Nova cannot
/// filter by name, so names cost a list: one for all of them.
pub async fn find_flavors<'n>(
    session: &Session,
    names_or_ids: impl IntoIterator<Item = &'n str>,
) -> Result<BTreeMap<String, Find<Flavor>>, Error> {
    let asked: BTreeSet<&str> = names_or_ids.into_iter().collect();
    let (ids, mut names): (Vec<&str>, Vec<&str>) = asked.into_iter().partition(|text| may_be_id(text));
    let shown = ids.into_iter().map(async |id| {
        let flavor: Option<Flavor> = call(session, Method::GET, &["flavors", id])
            .find("flavor")
            .await?;
        Ok::<_, Error>((id, flavor))
    });
    let mut found = BTreeMap::new();
    for (id, flavor) in try_join_all(shown).await? {
        match flavor {
            Some(flavor) => drop(found.insert(id.to_owned(), Find::One(flavor))),
            None => names.push(id),
        }
    }
    if !names.is_empty() {
        let all: Vec<Flavor> = call(session, Method::GET, &["flavors", "detail"])
            .list("flavors")
            .await?;
        found.extend(names.into_iter().map(|name| (name.to_owned(), pick(&all, name))));
    }
    Ok(found)
}

/// A flavor that the caller can use, by id or else by name.
pub async fn find_flavor(session: &Session, name_or_id: &str) -> Result<Find<Flavor>, Error> {
    let mut found = find_flavors(session, [name_or_id]).await?;
    Ok(found.remove(name_or_id).unwrap_or(Find::None))
}

/// True for ids as Nova makes them, UUIDs and small numbers. Operators may choose any other text: such flavors are
/// found in the list.
fn may_be_id(text: &str) -> bool {
    looks_like_id(text) || !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn pick(all: &[Flavor], name_or_id: &str) -> Find<Flavor> {
    match all.iter().find(|flavor| flavor.id == name_or_id) {
        Some(flavor) => Find::One(flavor.clone()),
        None => {
            let named = all.iter().filter(|flavor| flavor.name == name_or_id);
            named.cloned().collect::<Vec<_>>().into()
        }
    }
}
