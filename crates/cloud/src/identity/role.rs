//! Roles and who has them where.

use reqwest::Method;
use serde::Deserialize;

use super::call;
use crate::error::Error;
use crate::session::Session;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
}

#[derive(Deserialize)]
struct Assignment {
    role: Id,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// All roles of the deployment; roles of single domains are not among them.
pub async fn list_roles(session: &Session) -> Result<Vec<Role>, Error> {
    call(session, Method::GET, &["roles"]).list("roles").await
}

/// Those of the deployment's roles that have one of these names.
pub async fn find_roles(session: &Session, names: &[String]) -> Result<Vec<Role>, Error> {
    let mut all = list_roles(session).await?;
    all.retain(|role| names.contains(&role.name));
    Ok(all)
}

/// Gives a user a role on a project. A role that it has already is fine.
pub async fn grant_role(
    session: &Session,
    project_id: &str,
    user_id: &str,
    role_id: &str,
) -> Result<(), Error> {
    let path = ["projects", project_id, "users", user_id, "roles", role_id];
    call(session, Method::PUT, &path).done().await
}

/// Takes a user's role on a project away. A role that it does not have is fine.
pub async fn revoke_role(
    session: &Session,
    project_id: &str,
    user_id: &str,
    role_id: &str,
) -> Result<(), Error> {
    let path = ["projects", project_id, "users", user_id, "roles", role_id];
    call(session, Method::DELETE, &path).gone().await
}

/// Ids of the roles that a user was given on a project itself; not those through groups or implied ones.
pub async fn list_assignments(
    session: &Session,
    user_id: &str,
    project_id: &str,
) -> Result<Vec<String>, Error> {
    let query = call(session, Method::GET, &["role_assignments"])
        .query("user.id", user_id)
        .query("scope.project.id", project_id);
    let all: Vec<Assignment> = query.list("role_assignments").await?;
    Ok(all.into_iter().map(|assignment| assignment.role.id).collect())
}
