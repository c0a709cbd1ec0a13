//! Version 1: Magnum's tables for templates, clusters, node groups, services and quotas, with the columns and
//! names that Magnum gives them, and our own for work, ledger, secrets and guards.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "v1"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        // MySQL commits at every change of the schema: there, what is half done is found and left alone.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in [
            cluster,
            cluster_template,
            nodegroup,
            magnum_service,
            quotas,
            work,
            ledger,
            sealed,
            project,
        ] {
            manager.create_table(table(backend)).await?;
        }
        for (table, columns) in INDEXES {
            let name = format!("ix_{table}_{}", columns.join("_"));
            if manager.has_index(*table, &name).await? {
                continue;
            }
            let mut index = Index::create().name(&name).table(*table).to_owned();
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

/// Secondary indexes.
const INDEXES: &[(&str, &[&str])] = &[
    ("cluster", &["project_id"]),
    ("cluster", &["status"]),
    ("cluster", &["cluster_template_id"]),
    ("cluster_template", &["project_id"]),
    ("nodegroup", &["project_id"]),
    ("nodegroup", &["status"]),
    ("work", &["lease_owner", "next_check_ms"]),
];

struct Shape {
    table: TableCreateStatement,
    backend: DbBackend,
}

impl Shape {
    fn new(backend: DbBackend, name: &'static str) -> Self {
        let mut table = Table::create();
        table.table(name).if_not_exists();
        if backend == DbBackend::MySql {
            // Names differ by case on every database.
            table
                .engine("InnoDB")
                .character_set("utf8mb4")
                .collate("utf8mb4_bin");
        }
        Self { table, backend }
    }

    /// A table of Magnum's: a row id and the times that users see.
    fn of_magnum(backend: DbBackend, name: &'static str) -> Self {
        let mut shape = Self::new(backend, name);
        shape.table.col(
            ColumnDef::new("id")
                .integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        );
        shape.times(&["created_at", "updated_at"]);
        shape
    }

    /// DATETIME columns, with microseconds where that must be said.
    fn times(&mut self, names: &[&'static str]) {
        for name in names {
            let mut column = ColumnDef::new(*name);
            match self.backend {
                DbBackend::MySql => column.custom("datetime(6)"),
                _ => column.date_time(),
            };
            self.table.col(column.null());
        }
    }

    fn strings(&mut self, length: u32, names: &[&'static str]) {
        for name in names {
            self.table.col(ColumnDef::new(*name).string_len(length).null());
        }
    }

    fn needed_strings(&mut self, length: u32, names: &[&'static str]) {
        for name in names {
            self.table
                .col(ColumnDef::new(*name).string_len(length).not_null());
        }
    }

    /// TEXT columns, of the size that overflows last: MySQL's TEXT ends at 64 KiB.
    fn texts(&mut self, names: &[&'static str]) {
        for name in names {
            let mut column = self.text(name);
            self.table.col(column.null());
        }
    }

    fn needed_texts(&mut self, names: &[&'static str]) {
        for name in names {
            let mut column = self.text(name);
            self.table.col(column.not_null());
        }
    }

    fn text(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.backend {
            DbBackend::MySql => column.custom("mediumtext"),
            _ => column.text(),
        };
        column
    }

    fn integers(&mut self, names: &[&'static str]) {
        for name in names {
            self.table.col(ColumnDef::new(*name).integer().null());
        }
    }

    fn needed_bigints(&mut self, names: &[&'static str]) {
        for name in names {
            self.table.col(ColumnDef::new(*name).big_integer().not_null());
        }
    }

    fn booleans(&mut self, default: bool, names: &[&'static str]) {
        for name in names {
            self.table
                .col(ColumnDef::new(*name).boolean().null().default(default));
        }
    }

    fn unique(&mut self, name: &'static str, columns: &[&'static str]) {
        let mut index = Index::create().unique().name(name).to_owned();
        for column in columns {
            index.col(*column);
        }
        self.table.index(&mut index);
    }

    fn primary_key(&mut self, columns: &[&'static str]) {
        let mut index = Index::create();
        for column in columns {
            index.col(*column);
        }
        self.table.primary_key(&mut index);
    }
}

fn cluster(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::of_magnum(backend, "cluster");
    shape.needed_strings(36, &["uuid"]);
    shape.needed_strings(255, &["project_id", "user_id", "name", "cluster_template_id"]);
    shape.needed_strings(20, &["status"]);
    shape.strings(
        255,
        &[
            "keypair",
            "master_flavor_id",
            "flavor_id",
            "stack_id",
            "api_address",
            "discovery_url",
            "coe_version",
            "container_version",
            "fixed_network",
            "fixed_subnet",
        ],
    );
    shape.strings(20, &["health_status"]);
    shape.strings(
        512,
        &[
            "ca_cert_ref",
            "magnum_cert_ref",
            "etcd_ca_cert_ref",
            "front_proxy_ca_cert_ref",
        ],
    );
    shape.integers(&["docker_volume_size", "create_timeout"]);
    shape.texts(&["labels", "health_status_reason", "status_reason"]);
    shape.booleans(true, &["floating_ip_enabled"]);
    shape.booleans(false, &["master_lb_enabled"]);
    shape.unique("uniq_bay0uuid", &["uuid"]);
    shape.table
}

fn cluster_template(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::of_magnum(backend, "cluster_template");
    shape.needed_strings(36, &["uuid"]);
    shape.needed_strings(255, &["project_id", "user_id", "coe", "image_id"]);
    shape.strings(
        255,
        &[
            "name",
            "flavor_id",
            "master_flavor_id",
            "keypair_id",
            "external_network_id",
            "fixed_network",
            "fixed_subnet",
            "network_driver",
            "volume_driver",
            "dns_nameserver",
            "cluster_distro",
            "http_proxy",
            "https_proxy",
            "no_proxy",
            "server_type",
            "insecure_registry",
            "tags",
            "driver",
        ],
    );
    shape.strings(512, &["docker_storage_driver"]);
    shape.integers(&["apiserver_port", "docker_volume_size"]);
    shape.texts(&["labels"]);
    shape.booleans(
        false,
        &[
            "registry_enabled",
            "tls_disabled",
            "public",
            "master_lb_enabled",
            "hidden",
        ],
    );
    shape.booleans(true, &["floating_ip_enabled"]);
    shape.unique("uniq_baymodel0uuid", &["uuid"]);
    shape.table
}

fn nodegroup(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::of_magnum(backend, "nodegroup");
    shape.needed_strings(36, &["uuid"]);
    shape.needed_strings(255, &["name", "cluster_id", "project_id"]);
    shape.needed_strings(20, &["status"]);
    shape.strings(255, &["flavor_id", "image_id", "role", "stack_id"]);
    shape.strings(20, &["version"]);
    shape.integers(&[
        "docker_volume_size",
        "node_count",
        "max_node_count",
        "min_node_count",
    ]);
    shape.texts(&[
        "labels",
        "node_addresses",
        "status_reason",
        "node_labels",
        "node_taints",
    ]);
    shape.booleans(false, &["is_default"]);
    shape.unique("uniq_nodegroup0uuid", &["uuid"]);
    shape.unique("uniq_nodegroup0cluster_id0name", &["cluster_id", "name"]);
    shape.table
}

fn magnum_service(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::of_magnum(backend, "magnum_service");
    shape.needed_strings(255, &["host", "binary"]);
    shape.strings(255, &["disabled_reason"]);
    shape.booleans(false, &["disabled", "forced_down"]);
    shape.times(&["last_seen_up"]);
    shape
        .table
        .col(ColumnDef::new("report_count").integer().not_null());
    shape.unique("uniq_magnum_service0host0binary", &["host", "binary"]);
    shape.table
}

fn quotas(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::of_magnum(backend, "quotas");
    shape.needed_strings(255, &["project_id", "resource"]);
    shape.table.col(ColumnDef::new("hard_limit").integer().not_null());
    shape.unique("uniq_quotas0project_id0resource", &["project_id", "resource"]);
    shape.table
}

fn work(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::new(backend, "work");
    shape.needed_strings(36, &["cluster_uuid"]);
    shape.needed_strings(20, &["goal", "operation"]);
    shape.needed_bigints(&[
        "generation",
        "settled_generation",
        "deadline_ms",
        "next_check_ms",
        "lease_until_ms",
        "fence",
        "engine_ms",
    ]);
    shape.strings(255, &["lease_owner"]);
    shape.needed_strings(255, &["request_id"]);
    shape.needed_texts(&["resolved"]);
    shape.primary_key(&["cluster_uuid"]);
    shape.table
}

fn ledger(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::new(backend, "ledger");
    shape.needed_strings(36, &["cluster_uuid"]);
    shape.needed_strings(100, &["resource_key"]);
    shape.needed_strings(255, &["name"]);
    shape.needed_strings(20, &["phase"]);
    shape.strings(255, &["node_group", "cloud_id"]);
    shape.needed_bigints(&[
        "attempts",
        "next_check_ms",
        "give_up_at_ms",
        "started_ms",
        "tried_ms",
    ]);
    shape
        .table
        .col(ColumnDef::new("finished_ms").big_integer().null());
    for name in ["uncertain", "maybe_twice", "drop_failed"] {
        shape.table.col(ColumnDef::new(name).boolean().not_null());
    }
    shape.needed_texts(&["needs", "spec", "facts"]);
    shape.texts(&["seen", "fault"]);
    shape.primary_key(&["cluster_uuid", "resource_key"]);
    shape.table
}

fn sealed(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::new(backend, "sealed");
    shape.needed_strings(36, &["cluster_uuid"]);
    shape.needed_strings(100, &["name"]);
    shape.texts(&["public_part"]);
    shape.needed_texts(&["sealed"]);
    shape.primary_key(&["cluster_uuid", "name"]);
    shape.table
}

fn project(backend: DbBackend) -> TableCreateStatement {
    let mut shape = Shape::new(backend, "project");
    shape.needed_strings(255, &["project_id"]);
    shape.needed_bigints(&["version"]);
    shape.primary_key(&["project_id"]);
    shape.table
}
