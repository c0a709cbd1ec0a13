//! Names that options had in earlier releases of Magnum and its libraries. They go on to work, with a warning.

/// Section, old name, section, present name.
const RENAMED: &[(&str, &str, &str, &str)] = &[
    ("DEFAULT", "logfile", "DEFAULT", "log_file"),
    ("DEFAULT", "logdir", "DEFAULT", "log_dir"),
    ("DEFAULT", "sql_connection", "database", "connection"),
    ("DEFAULT", "sql_max_pool_size", "database", "max_pool_size"),
    ("DEFAULT", "sql_max_retries", "database", "max_retries"),
    ("database", "sql_connection", "database", "connection"),
    ("keystone_auth", "tenant_id", "keystone_auth", "project_id"),
    ("keystone_auth", "tenant_name", "keystone_auth", "project_name"),
    ("keystone_auth", "user_name", "keystone_auth", "username"),
    (
        "keystone_authtoken",
        "auth_uri",
        "keystone_authtoken",
        "www_authenticate_uri",
    ),
    (
        "keystone_authtoken",
        "memcache_servers",
        "keystone_authtoken",
        "memcached_servers",
    ),
    (
        "keystone_authtoken",
        "tenant_id",
        "keystone_authtoken",
        "project_id",
    ),
    (
        "keystone_authtoken",
        "tenant_name",
        "keystone_authtoken",
        "project_name",
    ),
    (
        "keystone_authtoken",
        "user_name",
        "keystone_authtoken",
        "username",
    ),
    ("bay", "nodes_affinity_policy", "cluster", "nodes_affinity_policy"),
    (
        "baymodel",
        "kubernetes_allowed_network_drivers",
        "cluster_template",
        "kubernetes_allowed_network_drivers",
    ),
    (
        "baymodel",
        "kubernetes_default_network_driver",
        "cluster_template",
        "kubernetes_default_network_driver",
    ),
    (
        "baymodel",
        "swarm_allowed_network_drivers",
        "cluster_template",
        "swarm_allowed_network_drivers",
    ),
    (
        "baymodel",
        "swarm_default_network_driver",
        "cluster_template",
        "swarm_default_network_driver",
    ),
];

/// Section and name under which an option of an earlier release is known now. `section` is normalised.
pub(crate) fn present_name(section: &str, option: &str) -> Option<(&'static str, &'static str)> {
    RENAMED
        .iter()
        .find(|(old_section, old, ..)| *old_section == section && *old == option)
        .map(|(_, _, section, option)| (*section, *option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_present_name_is_an_option_and_no_old_one_is() {
        let exists = |section: &str, option: &str| {
            crate::config::SECTIONS
                .iter()
                .any(|known| known.name == section && known.options.iter().any(|spec| spec.name == option))
        };
        for (old_section, old, section, option) in RENAMED {
            assert!(exists(section, option), "[{section}] {option}");
            assert!(!exists(old_section, old), "[{old_section}] {old}");
        }
    }
}
