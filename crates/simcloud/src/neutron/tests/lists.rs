//! What callers may see and hold, and how lists are asked for.

use super::*;

#[test]
fn others_see_only_what_is_shared() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let port = port(&mut world, &network);
    let refusal = ask_as(
        &mut world,
        "other",
        404,
        "GET",
        &format!("ports/{port}"),
        Value::Null,
    );
    assert_eq!(
        refusal["NeutronError"]["message"],
        format!("Port {port} could not be found.")
    );
    ask_as(
        &mut world,
        "other",
        404,
        "GET",
        &format!("networks/{network}"),
        Value::Null,
    );
    let seen = ask_as(&mut world, "other", 200, "GET", "networks", Value::Null);
    let names: Vec<&str> = seen["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| network["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["public"]);
    let external = public(&world);
    let refusal = ask_as(
        &mut world,
        "other",
        403,
        "DELETE",
        &format!("networks/{external}"),
        Value::Null,
    );
    assert_eq!(kind_of(&refusal), "PolicyNotAuthorized");
    let refusal = ask(
        &mut world,
        403,
        "POST",
        "networks",
        json!({"network": {"shared": true}}),
    );
    assert_eq!(kind_of(&refusal), "PolicyNotAuthorized");
    ask_as(
        &mut world,
        "admin",
        201,
        "POST",
        "networks",
        json!({"network": {"shared": true}}),
    );
}

#[test]
fn quotas_refuse_what_is_too_much() {
    let mut world = world();
    set_quota(&mut world, "p", "network", 1);
    let body = json!({"network": {"name": "n"}});
    let first = id(&ask(&mut world, 201, "POST", "networks", body.clone()), "network");
    let refusal = ask(&mut world, 409, "POST", "networks", body.clone());
    assert_eq!(kind_of(&refusal), "OverQuota");
    assert_eq!(
        refusal["NeutronError"]["message"],
        "Quota exceeded for resources: ['network']."
    );
    ask(
        &mut world,
        204,
        "DELETE",
        &format!("networks/{first}"),
        Value::Null,
    );
    ask(&mut world, 201, "POST", "networks", body.clone());
    let details = ask(&mut world, 200, "GET", "quotas/p/details.json", Value::Null);
    assert_eq!(
        details["quota"]["network"],
        json!({"limit": 1, "used": 1, "reserved": 0})
    );
    ask(
        &mut world,
        403,
        "PUT",
        "quotas/p",
        json!({"quota": {"network": 9}}),
    );
    ask_as(
        &mut world,
        "admin",
        200,
        "PUT",
        "quotas/p",
        json!({"quota": {"network": -1}}),
    );
    ask(&mut world, 201, "POST", "networks", body);
}

#[test]
fn a_bulk_request_is_all_or_nothing() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let ok = json!({"network_id": network});
    let made = ask(&mut world, 201, "POST", "ports", json!({"ports": [ok, ok]}));
    assert_eq!(made["ports"].as_array().unwrap().len(), 2);
    let unknown = "00000000-0000-0000-0000-000000000000";
    ask(
        &mut world,
        404,
        "POST",
        "ports",
        json!({"ports": [ok, {"network_id": unknown}]}),
    );
    assert_eq!(world.neutron.ports.len(), 2);
}

#[test]
fn tags_are_kept_and_found() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let tags = format!("networks/{network}/tags");
    ask(&mut world, 200, "PUT", &tags, json!({"tags": ["a", "b"]}));
    ask(&mut world, 201, "PUT", &format!("{tags}/c.d"), Value::Null);
    ask(&mut world, 204, "GET", &format!("{tags}/c.d"), Value::Null);
    ask(&mut world, 404, "DELETE", &format!("{tags}/z"), Value::Null);
    for (query, count) in [
        ("tags=a,b", 1),
        ("tags=a,z", 0),
        ("tags-any=z,b", 1),
        ("not-tags=a", 1),
        ("not-tags-any=a", 1),
    ] {
        let found = ask(&mut world, 200, "GET", &format!("networks?{query}"), Value::Null);
        assert_eq!(found["networks"].as_array().unwrap().len(), count, "{query}");
    }
    ask(&mut world, 204, "DELETE", &tags, Value::Null);
    let shown = ask(
        &mut world,
        200,
        "GET",
        &format!("networks/{network}"),
        Value::Null,
    );
    assert_eq!(shown["network"]["tags"], json!([]));
}

#[test]
fn pages_link_to_the_next_one() {
    let mut world = world();
    let (network, _) = network(&mut world);
    let ids: Vec<String> = (0..3).map(|_| port(&mut world, &network)).collect();
    let page = ask(&mut world, 200, "GET", "ports?limit=2&fields=id", Value::Null);
    assert_eq!(page["ports"], json!([{"id": ids[0]}, {"id": ids[1]}]));
    let next = page["ports_links"][0]["href"].as_str().unwrap();
    let expected = format!(
        "http://127.0.0.1:9/networking/v2.0/ports?limit=2&fields=id&marker={}",
        ids[1]
    );
    assert_eq!(next, expected);
    let page = ask(
        &mut world,
        200,
        "GET",
        &format!("ports?limit=2&marker={}", ids[1]),
        Value::Null,
    );
    assert_eq!(page["ports"].as_array().unwrap().len(), 1);
    let relations: Vec<&str> = page["ports_links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["rel"].as_str().unwrap())
        .collect();
    assert_eq!(relations, ["previous"]);
    ask(&mut world, 400, "GET", "ports?colour=red", Value::Null);
}
