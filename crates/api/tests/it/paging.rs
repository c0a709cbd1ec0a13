//! Pages: limits, markers, sorting, and the link to the next page.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn following_next_gives_every_row_once_in_order() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    for name in ["b", "a", "d", "a", "c"] {
        rig.template(&token, json!({ "name": name })).await;
    }
    for (arguments, expected) in [
        ("limit=2", ["b", "a", "d", "a", "c"]),
        ("limit=2&sort_dir=desc", ["c", "a", "d", "a", "b"]),
        ("limit=1&sort_key=name", ["a", "a", "b", "c", "d"]),
        ("limit=5&sort_key=name&sort_dir=desc", ["d", "c", "b", "a", "a"]),
        ("sort_key=name", ["a", "a", "b", "c", "d"]),
        ("sort_key=", ["b", "a", "d", "a", "c"]),
        ("limit=99999&sort_key=name", ["a", "a", "b", "c", "d"]),
    ] {
        let mut names = Vec::new();
        let mut path = format!("/v1/clustertemplates?{arguments}");
        loop {
            let page = rig.get(&token, &path).await.expect(200);
            let items = page["clustertemplates"].as_array().unwrap();
            assert!(!items.is_empty(), "an empty page was promised by {path}");
            names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            match page.get("next").and_then(|next| next.as_str()) {
                Some(next) => {
                    path = next
                        .strip_prefix("http://magnum.example:9511")
                        .unwrap()
                        .to_owned();
                    assert!(path.starts_with("/v1/clustertemplates?sort_key="), "{path}");
                }
                None => break,
            }
        }
        assert_eq!(names, expected, "{arguments}");
    }
}

#[tokio::test]
async fn max_limit_bounds_every_page() {
    let rig = Rig::with("[api]\nmax_limit = 2").await;
    let token = rig.token("demo", "demo").await;
    for _ in 0..3 {
        rig.template(&token, json!({})).await;
    }
    for path in ["/v1/clustertemplates", "/v1/clustertemplates/detail?limit=50"] {
        let page = rig.get(&token, path).await.expect(200);
        assert_eq!(page["clustertemplates"].as_array().unwrap().len(), 2);
        let next = page["next"].as_str().unwrap();
        assert!(next.contains("&sort_dir=asc&limit=2&marker="), "{next}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_refused() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let many: String = (0..60).map(|index| format!("a{index}=&")).collect();
    for (arguments, status) in [
        (many.as_str(), 400),
        ("limit=0", 400),
        ("limit=-1", 400),
        ("limit=x", 400),
        ("marker=name", 400),
        ("marker=11111111-2222-4333-8444-555555555555", 404),
        ("sort_key=links", 400),
        ("sort_key=node_count", 400),
        ("sort_key=id;drop", 400),
        ("sort_dir=up", 400),
        ("limit=1&limit=1", 400),
    ] {
        for collection in ["clusters", "clusters/detail", "clustertemplates"] {
            rig.get(&token, &format!("/v1/{collection}?{arguments}"))
                .await
                .refusal(status);
        }
    }
}
