//! The requests that are measured, and what is to be reached.

use crate::seed::{cluster_uuid, template_uuid};

/// A kind of request.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the table.
    pub name: &'static str,
    /// Path and query.
    pub path: String,
    /// A request with a body.
    pub creates: bool,
    /// Times Magnum's requests per second that are to be reached.
    pub goal: f64,
}

/// All of them.
pub fn all() -> Vec<Case> {
    let case = |name, path: &str, goal| Case {
        name,
        path: path.to_owned(),
        creates: false,
        goal,
    };
    vec![
        case("version document", "/", 20.0),
        case("template list", "/v1/clustertemplates", 50.0),
        case(
            "template show",
            &format!("/v1/clustertemplates/{}", template_uuid(0)),
            20.0,
        ),
        case("cluster list, 20", "/v1/clusters?limit=20", 50.0),
        case("cluster list, 1000", "/v1/clusters", 50.0),
        case("cluster show", &format!("/v1/clusters/{}", cluster_uuid(0)), 20.0),
        Case {
            name: "template create",
            path: "/v1/clustertemplates".to_owned(),
            creates: true,
            goal: 10.0,
        },
    ]
}

/// The body of a template create. What it names exists in the simulator and in the lab.
pub fn new_template(coe: &str, image: &str) -> String {
    format!(
        r#"{{"name": "bench-made", "coe": "{coe}", "image_id": "{image}", "external_network_id": "public", "flavor_id": "m1.small", "master_flavor_id": "m1.small"}}"#
    )
}
