//! Security groups.

use super::*;

#[test]
fn a_project_has_one_default_security_group_from_the_start() {
    let mut world = world();
    let groups = ask(&mut world, 200, "GET", "security-groups", Value::Null);
    let groups = groups["security_groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["name"], "default");
    assert_eq!(groups[0]["security_group_rules"].as_array().unwrap().len(), 4);
    let refusal = ask(
        &mut world,
        409,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "default"}}),
    );
    assert_eq!(kind_of(&refusal), "SecurityGroupDefaultAlreadyExists");
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    assert_eq!(
        made["security_group"]["security_group_rules"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn equal_and_senseless_rules_are_refused() {
    let mut world = world();
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    let group = id(&made, "security_group");
    let rule = |extra: Value| {
        let mut rule = json!({"security_group_id": group, "direction": "ingress"});
        rule.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"security_group_rule": rule})
    };
    let ssh = rule(json!({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}));
    ask(&mut world, 201, "POST", "security-group-rules", ssh.clone());
    let path = "security-group-rules";
    for (status, class, body) in [
        (409, "SecurityGroupRuleExists", ssh),
        (
            400,
            "SecurityGroupProtocolRequiredWithPorts",
            rule(json!({"port_range_min": 1, "port_range_max": 2})),
        ),
        (
            400,
            "SecurityGroupInvalidPortRange",
            rule(json!({"protocol": "udp", "port_range_min": 9, "port_range_max": 2})),
        ),
        (
            400,
            "SecurityGroupRuleInvalidProtocol",
            rule(json!({"protocol": "carrier-pigeon"})),
        ),
        (400, "InvalidCIDR", rule(json!({"remote_ip_prefix": "nowhere"}))),
        (
            400,
            "SecurityGroupRuleParameterConflict",
            rule(json!({"remote_ip_prefix": "fd00::/8"})),
        ),
        (
            404,
            "SecurityGroupNotFound",
            rule(json!({"remote_group_id": "none"})),
        ),
    ] {
        let refusal = ask(&mut world, status, "POST", path, body);
        assert_eq!(kind_of(&refusal), class);
    }
}

#[test]
fn a_security_group_stays_while_a_port_is_in_it() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let made = ask(
        &mut world,
        201,
        "POST",
        "security-groups",
        json!({"security_group": {"name": "g"}}),
    );
    let group = id(&made, "security_group");
    let body = json!({"port": {"network_id": network, "security_groups": [group]}});
    let port = id(&ask(&mut world, 201, "POST", "ports", body), "port");
    let path = format!("security-groups/{group}");
    assert_eq!(
        kind_of(&ask(&mut world, 409, "DELETE", &path, Value::Null)),
        "SecurityGroupInUse"
    );
    ask(
        &mut world,
        200,
        "PUT",
        &format!("ports/{port}"),
        json!({"port": {"security_groups": []}}),
    );
    ask(&mut world, 204, "DELETE", &path, Value::Null);
}
