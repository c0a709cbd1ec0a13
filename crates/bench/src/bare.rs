//! The other end of the scale: a handler that does nothing but ask the database what the API asks it, and write the
//! rows as JSON. No token, no policy, no microversions, no log; text columns are not even copied.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{NaiveDateTime, Utc};
use serde::Deserialize;
use serde::ser::{Error as _, Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};
use sqlx::MySql;
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlPool, MySqlPoolOptions, MySqlRow};

use tokio::net::TcpListener;
use uuid::Uuid;

use crate::seed::{CLUSTER, GROUP, Kind, TEMPLATE};

/// Connections of the pool: the API's default.
const POOL: u32 = 5;

/// Columns of the short list of clusters.
const SUMMARY: &[(&str, Kind)] = &[
    ("uuid", Kind::Text),
    ("name", Kind::Text),
    ("cluster_template_id", Kind::Text),
    ("keypair", Kind::Text),
    ("docker_volume_size", Kind::Int),
    ("labels", Kind::Text),
    ("master_flavor_id", Kind::Text),
    ("flavor_id", Kind::Text),
    ("create_timeout", Kind::Int),
    ("stack_id", Kind::Text),
    ("status", Kind::Text),
    ("health_status", Kind::Text),
];

/// Columns of node groups that the sizes of clusters come from.
const SIZES: &[(&str, Kind)] = &[
    ("cluster_id", Kind::Text),
    ("role", Kind::Text),
    ("node_count", Kind::Int),
];

struct Site {
    pool: MySqlPool,
    project: String,
}

/// Serves until the process ends.
pub async fn serve(database: &str, listen: SocketAddr, project: String) -> anyhow::Result<()> {
    let pool = MySqlPoolOptions::new()
        .max_connections(POOL)
        .test_before_acquire(false)
        .connect(database)
        .await?;
    let router = Router::new()
        .route("/", get(root))
        .route("/v1/clustertemplates", get(templates).post(create))
        .route("/v1/clustertemplates/{uuid}", get(template))
        .route("/v1/clusters", get(clusters))
        .route("/v1/clusters/{uuid}", get(cluster))
        .with_state(Arc::new(Site { pool, project }));
    Ok(axum::serve(TcpListener::bind(listen).await?, router).await?)
}

/// Rows as they are, one object each.
struct Rows<'a>(&'a [MySqlRow], &'a [(&'a str, Kind)]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|row| Columns(row, self.1)))
    }
}

struct Columns<'a>(&'a MySqlRow, &'a [(&'a str, Kind)]);

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.1.len()))?;
        for (index, (name, kind)) in self.1.iter().enumerate() {
            match kind {
                Kind::Text => entry::<Option<&str>, _>(&mut object, name, self.0, index)?,
                Kind::Int => entry::<Option<i32>, _>(&mut object, name, self.0, index)?,
                Kind::Bool => entry::<Option<bool>, _>(&mut object, name, self.0, index)?,
                Kind::Time => entry::<Option<NaiveDateTime>, _>(&mut object, name, self.0, index)?,
            }
        }
        object.end()
    }
}

fn entry<'r, T, M>(object: &mut M, name: &str, row: &'r MySqlRow, index: usize) -> Result<(), M::Error>
where
    T: Serialize + sqlx::Decode<'r, sqlx::MySql> + sqlx::Type<sqlx::MySql>,
    M: serde::ser::SerializeMap,
{
    let value: T = row.try_get(index).map_err(M::Error::custom)?;
    object.serialize_entry(name, &value)
}

/// Runs a query to its end also when the client hangs up, as the store does: the pool would lose the connection.
async fn all(
    site: &Site,
    query: sqlx::query::Query<'static, MySql, MySqlArguments>,
) -> Result<Vec<MySqlRow>, Failed> {
    let pool = site.pool.clone();
    Ok(tokio::spawn(async move { query.fetch_all(&pool).await }).await??)
}

struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Failed> {
    let body = serde_json::to_vec(body)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn root() -> Result<Response, Failed> {
    let document = serde_json::json!({"name": "bare", "versions": [{"id": "v1", "status": "CURRENT"}]});
    json(StatusCode::OK, &document)
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<u32>,
}

async fn templates(State(site): State<Arc<Site>>) -> Result<Response, Failed> {
    let sql = select("cluster_template", TEMPLATE)
        + " WHERE project_id = ? OR (public = 1 AND hidden = 0) ORDER BY id LIMIT 1001";
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(site.project.clone());
    json(StatusCode::OK, &Rows(&all(&site, query).await?, TEMPLATE))
}

async fn template(State(site): State<Arc<Site>>, Path(uuid): Path<String>) -> Result<Response, Failed> {
    let sql = select("cluster_template", TEMPLATE)
        + " WHERE (project_id = ? OR (public = 1 AND hidden = 0)) AND uuid = ? ORDER BY id LIMIT 2";
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(site.project.clone())
        .bind(uuid);
    json(StatusCode::OK, &Rows(&all(&site, query).await?, TEMPLATE))
}

async fn clusters(
    State(site): State<Arc<Site>>,
    Query(Limit { limit }): Query<Limit>,
) -> Result<Response, Failed> {
    let limit = limit.unwrap_or(1_000).saturating_add(1);
    let sql = select("cluster", SUMMARY) + " WHERE project_id = ? ORDER BY id LIMIT ?";
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(site.project.clone())
        .bind(limit);
    let clusters = all(&site, query).await?;
    let sql = select("nodegroup", SIZES)
        + " WHERE cluster_id IN (SELECT uuid FROM
            (SELECT uuid FROM cluster WHERE project_id = ? ORDER BY id LIMIT ?) AS page)";
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(site.project.clone())
        .bind(limit);
    let groups = all(&site, query).await?;
    json(StatusCode::OK, &(Rows(&clusters, SUMMARY), Rows(&groups, SIZES)))
}

async fn cluster(State(site): State<Arc<Site>>, Path(uuid): Path<String>) -> Result<Response, Failed> {
    let sql = format!(
        "SELECT {}, {}, t.labels FROM cluster c
        LEFT JOIN nodegroup g ON g.cluster_id = c.uuid
        LEFT JOIN cluster_template t ON t.uuid = c.cluster_template_id
        WHERE c.project_id = ? AND c.uuid = ?",
        names(CLUSTER, "c."),
        names(GROUP, "g.")
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(site.project.clone())
        .bind(uuid);
    let rows = all(&site, query).await?;
    json(StatusCode::OK, &Rows(&rows, &[CLUSTER, GROUP].concat()))
}

/// Inserts a template as it comes in. What a body leaves out is written as the API writes it, so that rows are alike.
async fn create(State(site): State<Arc<Site>>, body: axum::body::Bytes) -> Result<Response, Failed> {
    let mut row: Map<String, Value> = serde_json::from_slice(&body)?;
    for (name, value) in [
        ("uuid", Uuid::new_v4().to_string().as_str()),
        ("project_id", &site.project),
        ("user_id", "bare"),
        ("network_driver", "docker"),
        ("cluster_distro", "debian"),
        ("driver", "swarm"),
        ("labels", "{}"),
        ("server_type", "vm"),
    ] {
        row.insert(name.to_owned(), value.into());
    }
    let marks = vec!["?"; TEMPLATE.len()].join(", ");
    let names = names(TEMPLATE, "");
    let sql = format!("INSERT INTO cluster_template ({names}) VALUES ({marks})");
    let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (name, kind) in TEMPLATE {
        let value = row.get(*name);
        insert = match kind {
            Kind::Text => insert.bind(value.and_then(Value::as_str)),
            Kind::Int => insert.bind(value.and_then(Value::as_i64)),
            Kind::Bool => insert.bind(value.and_then(Value::as_bool).unwrap_or_default()),
            Kind::Time => insert.bind((*name == "created_at").then(|| Utc::now().naive_utc())),
        };
    }
    let pool = site.pool.clone();
    tokio::spawn(async move { insert.execute(&pool).await }).await??;
    json(StatusCode::CREATED, &row)
}

fn select(table: &str, columns: &[(&str, Kind)]) -> String {
    format!("SELECT {} FROM {table}", names(columns, ""))
}

fn names(columns: &[(&str, Kind)], prefix: &str) -> String {
    let names: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("{prefix}{name}"))
        .collect();
    names.join(", ")
}
