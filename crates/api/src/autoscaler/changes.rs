//! What the autoscaler asks for: changes like those of a tenant, by the same rules and written in the same way.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use jeroboam_store::{ClusterChange, Standing, Terms};
use jeroboam_types::{Change, ClusterId, NodeGroup};

use super::grpc::{Code, Refusal};
use super::{groups, messages};
use crate::context::Desk;
use crate::error::ApiError;
use crate::handlers::changes::request;
use crate::validate::change::{change_of, nodes_named, resize as resized, standing};

/// Tries of one change, where others are written at the same time: an autoscaler removes up to ten nodes at once, by a
/// call for each.
const TRIES: u32 = 20;

/// A size, and the nodes that are not to be of it.
type Size = (i32, BTreeSet<u32>);

/// Adds nodes.
pub(super) async fn increase(
    desk: &impl Desk,
    cluster: ClusterId,
    asked: &messages::Resize,
) -> Result<(), Refusal> {
    if asked.delta <= 0 {
        return Err(invalid("the size can only be increased by at least one"));
    }
    resize(desk, cluster, &asked.id, |_, group| {
        Ok((group.node_count.saturating_add(asked.delta), BTreeSet::new()))
    })
    .await
}

/// Takes back what is asked for and not there yet; no node that stands goes.
pub(super) async fn decrease(
    desk: &impl Desk,
    cluster: ClusterId,
    asked: &messages::Resize,
) -> Result<(), Refusal> {
    if asked.delta >= 0 {
        return Err(invalid("the target can only be decreased by at least one"));
    }
    let fewer = asked.delta.unsigned_abs();
    resize(desk, cluster, &asked.id, |standing, group| {
        let unmade = groups::unmade(standing, group);
        let count = usize::try_from(fewer).unwrap_or(usize::MAX);
        if unmade.len() < count {
            return Err(invalid(&format!(
                "{fewer} nodes are to be taken back, and all but {} stand already",
                unmade.len()
            )));
        }
        // The latest go first.
        let going = unmade.into_iter().rev().take(count).collect();
        Ok((group.node_count.saturating_add(asked.delta), going))
    })
    .await
}

/// Removes these nodes and no others. What is on its way out already is taken for granted.
pub(super) async fn delete(
    desk: &impl Desk,
    cluster: ClusterId,
    asked: &messages::DeleteNodes,
) -> Result<(), Refusal> {
    resize(desk, cluster, &asked.id, |standing, group| {
        let mut going = BTreeSet::new();
        for node in &asked.nodes {
            going.insert(number_of(standing, group, node)?);
        }
        let leaving = group.nodes.iter().filter(|node| going.contains(node)).count();
        let leaving = i32::try_from(leaving).unwrap_or(i32::MAX);
        Ok((group.node_count.saturating_sub(leaving), going))
    })
    .await
}

fn number_of(standing: &Standing, group: &NodeGroup, node: &messages::Node) -> Result<u32, Refusal> {
    for ident in groups::idents(node) {
        let named = nodes_named(standing, group, &[ident.to_owned()]);
        if let Some(number) = named.ok().and_then(|numbers| numbers.first().copied()) {
            return Ok(number);
        }
    }
    let shown: String = node.name.chars().take(255).collect();
    let text = format!("node group {} has no node {shown}", group.name);
    Err(Refusal::new(Code::NotFound, text))
}

/// Writes another size, worked out anew from what is asked when something else was written meanwhile.
async fn resize(
    desk: &impl Desk,
    cluster: ClusterId,
    id: &str,
    plan: impl Fn(&Standing, &NodeGroup) -> Result<Size, Refusal>,
) -> Result<(), Refusal> {
    let mut tries = 0;
    loop {
        tries += 1;
        // Refused while it is created or deleted; that says which.
        let now = standing(desk, cluster, Change::Resize).await?;
        let group = groups::named(&now, id)?;
        let (count, going) = plan(&now, group)?;
        if count == group.node_count && group.nodes.iter().all(|node| !going.contains(node)) {
            return Ok(());
        }
        let group = resized(desk, &now, group, count, &going).map_err(out_of_bounds)?;
        let change = ClusterChange {
            groups: vec![group],
            ..change_of(desk, &now, Change::Resize)
        };
        match request(desk, &change, Terms::default()).await {
            Err(error) if error.status == StatusCode::CONFLICT && tries < TRIES => {}
            written => return Ok(written?),
        }
    }
}

/// A size out of the group's bounds is no fault of the message.
fn out_of_bounds(error: ApiError) -> Refusal {
    let refusal = Refusal::from(error);
    match refusal.code {
        Code::InvalidArgument => Refusal {
            code: Code::FailedPrecondition,
            ..refusal
        },
        _ => refusal,
    }
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(Code::InvalidArgument, text)
}
