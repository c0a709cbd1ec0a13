//! Which driver builds what a template describes.

use serde_json::{Value, json};

use crate::rig::{Rig, merged, template};

const PATH: &str = "/v1/clustertemplates";

/// Driver of a template with more fields, or the text of its refusal.
async fn chosen(rig: &Rig, more: Value) -> Result<String, String> {
    let token = rig.token("demo", "demo").await;
    let answer = rig
        .call(&token, "POST", PATH, Some(merged(template(), more)))
        .await;
    match answer.status.as_u16() {
        201 => Ok(answer.body["driver"].as_str().unwrap().to_owned()),
        _ => Err(answer.refusal(400).to_owned()),
    }
}

/// Sets a property of the image that templates name.
fn set_property(rig: &Rig, key: &str, value: &str) {
    rig.cloud.with_world(|world| {
        let mut images = world.glance.images.values_mut();
        let image = images
            .find(|image| image.name.as_deref() == Some("debian-12-docker"))
            .unwrap();
        image.properties.insert(key.to_owned(), json!(value));
    });
}

#[tokio::test]
async fn the_image_s_distribution_picks_the_driver_among_those_that_build_it() {
    let rig = Rig::start().await;
    // `bare_paper` comes first, and builds bare metal only.
    assert_eq!(chosen(&rig, json!({})).await.unwrap(), "swarm_paper");
    let bare = json!({"server_type": "bm"});
    assert_eq!(chosen(&rig, bare).await.unwrap(), "bare_paper");
    set_property(&rig, "os_distro", "plan9");
    let refusal = chosen(&rig, json!({})).await.unwrap_err();
    assert!(refusal.contains("(vm, plan9, swarm-mode)"), "{refusal}");
    let bare = json!({"server_type": "bm"});
    assert_eq!(chosen(&rig, bare).await.unwrap(), "bare_paper");
}

#[tokio::test]
async fn a_named_driver_must_exist_and_build_what_is_asked() {
    let rig = Rig::start().await;
    let named = |name: &str| json!({ "driver": name });
    assert_eq!(chosen(&rig, named("swarm_paper")).await.unwrap(), "swarm_paper");
    let refusal = chosen(&rig, named("nobody")).await.unwrap_err();
    assert!(refusal.contains("nobody"), "{refusal}");
    let refusal = chosen(&rig, named("bare_paper")).await.unwrap_err();
    assert!(refusal.contains("(vm, debian, swarm-mode)"), "{refusal}");
    // The request names one, or else the image does.
    set_property(&rig, "magnum_driver", "bare_paper");
    assert_eq!(chosen(&rig, named("swarm_paper")).await.unwrap(), "swarm_paper");
    assert!(chosen(&rig, json!({})).await.is_err());
    let bare = json!({"server_type": "bm"});
    assert_eq!(chosen(&rig, bare).await.unwrap(), "bare_paper");
}

#[tokio::test]
async fn the_default_driver_is_taken_where_it_builds_what_is_asked() {
    let rig = Rig::with("[drivers]\nenabled_beta_drivers = beta_paper\ndefault_driver = beta_paper\n").await;
    assert_eq!(chosen(&rig, json!({})).await.unwrap(), "beta_paper");
    let bare = json!({"server_type": "bm"});
    assert_eq!(chosen(&rig, bare).await.unwrap(), "bare_paper");
}

#[tokio::test]
async fn a_beta_driver_is_off_until_it_is_enabled() {
    let asked = || json!({"driver": "beta_paper"});
    let rig = Rig::with("[drivers]\ndefault_driver = beta_paper\n").await;
    let refusal = chosen(&rig, asked()).await.unwrap_err();
    assert!(refusal.contains("beta_paper"), "{refusal}");
    assert_eq!(chosen(&rig, json!({})).await.unwrap(), "swarm_paper");
    let rig = Rig::with("[drivers]\nenabled_beta_drivers = other,beta_paper\n").await;
    assert_eq!(chosen(&rig, asked()).await.unwrap(), "beta_paper");
    assert_eq!(chosen(&rig, json!({})).await.unwrap(), "swarm_paper");
}

#[tokio::test]
async fn a_disabled_driver_builds_nothing_new() {
    let rig = Rig::with("[drivers]\ndisabled_drivers = swarm_paper\n").await;
    assert!(chosen(&rig, json!({})).await.is_err());
    let refusal = chosen(&rig, json!({"driver": "swarm_paper"})).await.unwrap_err();
    assert!(refusal.contains("swarm_paper"), "{refusal}");
}
