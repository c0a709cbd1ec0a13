//! The rows that every server shows: the same in every database, under the column names that Magnum and we share.

use anyhow::Context as _;
use sqlx::mysql::MySqlPool;
use uuid::Uuid;

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text, or JSON as text.
    Text,
    /// A number.
    Int,
    /// A truth value.
    Bool,
    /// A moment.
    Time,
}

use Kind::{Bool, Int, Text, Time};

/// Columns of templates.
#[rustfmt::skip]
pub const TEMPLATE: &[(&str, Kind)] = &[
    ("created_at", Time), ("updated_at", Time), ("uuid", Text), ("project_id", Text), ("user_id", Text),
    ("name", Text), ("coe", Text), ("image_id", Text), ("flavor_id", Text), ("master_flavor_id", Text),
    ("keypair_id", Text), ("external_network_id", Text), ("fixed_network", Text), ("fixed_subnet", Text),
    ("dns_nameserver", Text), ("network_driver", Text), ("volume_driver", Text), ("apiserver_port", Int),
    ("docker_volume_size", Int), ("docker_storage_driver", Text), ("cluster_distro", Text), ("driver", Text),
    ("http_proxy", Text), ("https_proxy", Text), ("no_proxy", Text), ("insecure_registry", Text), ("labels", Text),
    ("server_type", Text), ("registry_enabled", Bool), ("tls_disabled", Bool), ("public", Bool), ("hidden", Bool),
    ("master_lb_enabled", Bool), ("floating_ip_enabled", Bool), ("tags", Text),
];

/// Columns of clusters.
#[rustfmt::skip]
pub const CLUSTER: &[(&str, Kind)] = &[
    ("created_at", Time), ("updated_at", Time), ("uuid", Text), ("project_id", Text), ("user_id", Text),
    ("name", Text), ("cluster_template_id", Text), ("keypair", Text), ("docker_volume_size", Int), ("labels", Text),
    ("master_flavor_id", Text), ("flavor_id", Text), ("fixed_network", Text), ("fixed_subnet", Text),
    ("floating_ip_enabled", Bool), ("master_lb_enabled", Bool), ("create_timeout", Int), ("discovery_url", Text),
    ("stack_id", Text), ("status", Text), ("status_reason", Text), ("health_status", Text),
    ("health_status_reason", Text), ("api_address", Text), ("coe_version", Text), ("container_version", Text),
    ("ca_cert_ref", Text), ("magnum_cert_ref", Text), ("etcd_ca_cert_ref", Text), ("front_proxy_ca_cert_ref", Text),
];

/// Columns of node groups.
#[rustfmt::skip]
pub const GROUP: &[(&str, Kind)] = &[
    ("created_at", Time), ("updated_at", Time), ("uuid", Text), ("name", Text), ("cluster_id", Text),
    ("project_id", Text), ("docker_volume_size", Int), ("labels", Text), ("flavor_id", Text), ("image_id", Text),
    ("node_addresses", Text), ("node_count", Int), ("max_node_count", Int), ("min_node_count", Int), ("role", Text),
    ("is_default", Bool), ("stack_id", Text), ("status", Text), ("status_reason", Text), ("version", Text),
];

/// Whose rows they are, and how many.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Project of the caller.
    pub project: String,
    /// The caller.
    pub user: String,
    /// COE of the templates.
    pub coe: &'static str,
    /// Templates.
    pub templates: u32,
    /// Clusters, with two node groups each.
    pub clusters: u32,
}

/// Rows of one statement.
const BATCH: usize = 500;

const LABELS: &str =
    r#"'{"octavia_provider": "amphora", "kube_tag": "v1.31.1", "auto_healing_enabled": "true"}'"#;
const MOMENT: &str = "'2026-01-01 00:00:00'";

/// A UUID for each row, which does not grow with its number, as real ones do not.
fn numbered(table: u128, number: u32) -> Uuid {
    let mixed = (table << 32 | u128::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    uuid::Builder::from_random_bytes(mixed.to_be_bytes()).into_uuid()
}

/// UUID of the template of a number.
pub fn template_uuid(number: u32) -> Uuid {
    numbered(1, number)
}

/// UUID of the cluster of a number.
pub fn cluster_uuid(number: u32) -> Uuid {
    numbered(2, number)
}

/// Fills the tables of a database.
pub async fn fill(pool: &MySqlPool, seed: &Seed) -> anyhow::Result<()> {
    let owner = format!("'{}', '{}'", seed.project, seed.user);
    let templates = (0..seed.templates).map(|number| {
        format!(
            "({MOMENT}, '{}', {owner}, 'bench-{number:03}', '{}', 'debian-12-docker', 'm1.small', 'm1.small', 'public', \
             '8.8.8.8', 'overlay2', 'debian', {LABELS}, 'vm', 0, 0, 0, 0, 1, 1)",
            template_uuid(number),
            seed.coe,
        )
    });
    let columns = "created_at, uuid, project_id, user_id, name, coe, image_id, flavor_id, master_flavor_id, \
        external_network_id, dns_nameserver, docker_storage_driver, cluster_distro, labels, server_type, \
        registry_enabled, tls_disabled, public, hidden, master_lb_enabled, floating_ip_enabled";
    insert(pool, "cluster_template", columns, templates).await?;

    // A status that nothing watches: neither service works on these clusters meanwhile.
    let clusters = (0..seed.clusters).map(|number| {
        format!(
            "({MOMENT}, {MOMENT}, '{}', {owner}, 'bench-{number:04}', '{}', 'bench', {LABELS}, 'm1.small', \
             'm1.small', 1, 1, 60, 'bench-{number:04}-abcdefghijkl', 'ROLLBACK_COMPLETE', 'seeded', 'HEALTHY', \
             '{{\"api\": \"ok\", \"node-0.Ready\": \"True\"}}', 'https://203.0.113.{}:6443', 'v1.31.1')",
            cluster_uuid(number),
            template_uuid(number % seed.templates.max(1)),
            number % 250,
        )
    });
    let columns = "created_at, updated_at, uuid, project_id, user_id, name, cluster_template_id, keypair, labels, \
        master_flavor_id, flavor_id, floating_ip_enabled, master_lb_enabled, create_timeout, stack_id, status, \
        status_reason, health_status, health_status_reason, api_address, coe_version";
    insert(pool, "cluster", columns, clusters).await?;

    let groups = (0..seed.clusters).flat_map(|number| {
        [("master", 1, "[\"10.0.0.5\"]"), ("worker", 3, "[\"10.0.0.6\", \"10.0.0.7\", \"10.0.0.8\"]")].map(
            |(role, nodes, addresses)| {
                format!(
                    "({MOMENT}, '{}', 'default-{role}', '{}', '{}', {LABELS}, 'm1.small', 'ubuntu', '{addresses}', \
                     {nodes}, 1, '{role}', 1, 'bench-{number:04}', 'CREATE_COMPLETE')",
                    numbered(if role == "master" { 3 } else { 4 }, number),
                    cluster_uuid(number),
                    seed.project,
                )
            },
        )
    });
    let columns = "created_at, uuid, name, cluster_id, project_id, labels, flavor_id, image_id, node_addresses, \
        node_count, min_node_count, role, is_default, stack_id, status";
    insert(pool, "nodegroup", columns, groups).await?;
    // So that every server's statements are planned alike.
    for table in ["cluster_template", "cluster", "nodegroup"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("ANALYZE TABLE {table}")))
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// Takes away the templates that a run has made.
pub async fn remove_made(pool: &MySqlPool) -> anyhow::Result<()> {
    sqlx::query("DELETE FROM cluster_template WHERE name = 'bench-made'")
        .execute(pool)
        .await
        .context("cannot remove templates")?;
    Ok(())
}

async fn insert(
    pool: &MySqlPool,
    table: &str,
    columns: &str,
    rows: impl Iterator<Item = String>,
) -> anyhow::Result<()> {
    let rows: Vec<String> = rows.collect();
    for batch in rows.chunks(BATCH) {
        let sql = format!("INSERT INTO {table} ({columns}) VALUES {}", batch.join(", "));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(pool)
            .await
            .with_context(|| format!("cannot fill table {table}"))?;
    }
    Ok(())
}
