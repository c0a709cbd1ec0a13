//! Pages of other origins.

use axum::body::Body;
use axum::http::Request;

use crate::rig::{Answer, Rig};

async fn ask(rig: &Rig, method: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri("/v1/clusters");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    rig.send(request.body(Body::empty()).unwrap()).await
}

const ORIGIN: (&str, &str) = ("origin", "https://dashboard.example");

#[tokio::test]
async fn nothing_is_said_of_origins_unless_one_is_allowed() {
    let rig = Rig::start().await;
    for method in ["OPTIONS", "GET"] {
        let answer = ask(&rig, method, &[ORIGIN, ("access-control-request-method", "GET")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.status, if method == "GET" { 401 } else { 200 });
    }
}

#[tokio::test]
async fn an_allowed_origin_is_told_what_it_may_send_and_read() {
    let rig = Rig::with("[cors]\nallowed_origin = https://dashboard.example, https://other.example\n").await;
    let preflight = [
        ORIGIN,
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "x-auth-token, content-type"),
    ];
    let answer = ask(&rig, "OPTIONS", &preflight).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", "https://dashboard.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "PATCH"),
        ("access-control-allow-headers", "x-auth-token, content-type"),
        ("access-control-max-age", "3600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    // The answer itself, also when it is a refusal: or the page could not show it.
    let answer = ask(&rig, "GET", &[ORIGIN]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://dashboard.example")
    );
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("X-OpenStack-Request-ID"), "{exposed}");
    assert_eq!(answer.header("access-control-allow-methods"), None);

    for refused in [
        vec![("origin", "https://evil.example"), preflight[1], preflight[2]],
        vec![ORIGIN, ("access-control-request-method", "BREW")],
        vec![
            ORIGIN,
            preflight[1],
            ("access-control-request-headers", "x-other"),
        ],
        vec![ORIGIN],
        vec![preflight[1]],
    ] {
        let answer = ask(&rig, "OPTIONS", &refused).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{refused:?}");
    }
}

#[tokio::test]
async fn any_origin_gets_no_leave_for_credentials() {
    let rig = Rig::with("[cors]\nallowed_origin = *\n").await;
    let answer = ask(&rig, "GET", &[ORIGIN]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}
