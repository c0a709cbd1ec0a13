//! Certificates: who gets which authority's certificate, and what is signed.

use jeroboam_pki::{Authority, Purpose, RsaBits, Validity};
use jeroboam_store::Sealed;
use jeroboam_types::ClusterId;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::rig::{Rig, keys};

const CSR: &str = include_str!("admin.csr.pem");

/// Does the engine's part: an authority for each purpose.
async fn make_authorities(rig: &Rig, cluster: ClusterId) {
    let claim = rig.claim().await.remove(0);
    for purpose in [Purpose::Cluster, Purpose::Etcd, Purpose::FrontProxy] {
        let validity = Validity::days(1_795_000_000, 30);
        let authority = Authority::generate("prod", purpose, RsaBits::Rsa2048, validity).unwrap();
        let name = format!("authority/{}", purpose.as_str());
        let key = authority.key_pem();
        let aad = format!("sealed/{cluster}/{name}");
        let sealed = rig.keyring.seal(&aad, key.expose_secret().as_bytes()).unwrap();
        let secret = Sealed {
            name,
            public_part: Some(authority.certificate_pem.clone() + "\n"),
            sealed,
        };
        rig.store.engine().put_sealed(&claim, &secret).await.unwrap();
    }
}

#[tokio::test]
async fn the_creator_gets_the_authorities_and_signed_certificates() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let cluster = rig.cluster(&token, &template, json!({})).await;
    let path = format!("/v1/certificates/{cluster}");
    assert!(rig.get(&token, &path).await.refusal(409).contains("yet"));
    make_authorities(&rig, cluster.parse().unwrap()).await;

    let main = rig.get(&token, &path).await.expect(200);
    assert_eq!(keys(&main), ["cluster_uuid", "links", "pem"]);
    assert_eq!(main["cluster_uuid"], cluster);
    assert_eq!(
        main["links"][1]["href"],
        format!("http://magnum.example:9511/certificates/{cluster}")
    );
    let pem = main["pem"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && pem.ends_with("-----END CERTIFICATE-----"));
    for same in ["?ca_cert_type=kubernetes", "?ca_cert_type=kubelet", "/kubernetes"] {
        assert_eq!(
            rig.get(&token, &format!("{path}{same}")).await.expect(200),
            main,
            "{same}"
        );
    }
    let etcd = rig.get(&token, &format!("{path}/etcd")).await.expect(200);
    let front = rig
        .get(&token, &format!("{path}?ca_cert_type=front_proxy"))
        .await
        .expect(200);
    assert!(etcd["pem"] != main["pem"] && front["pem"] != main["pem"] && front["pem"] != etcd["pem"]);
    rig.get(&token, &format!("{path}?ca_cert_type=nothing"))
        .await
        .refusal(400);

    let body = json!({"cluster_uuid": "prod", "csr": CSR});
    let signed = rig
        .call(&token, "POST", "/v1/certificates", Some(body))
        .await
        .expect(201);
    assert_eq!(keys(&signed), ["cluster_uuid", "csr", "links", "pem"]);
    assert_eq!(signed["csr"], CSR);
    assert!(
        signed["pem"]
            .as_str()
            .unwrap()
            .ends_with("-----END CERTIFICATE-----")
    );
    let body = json!({"cluster_uuid": cluster, "csr": CSR, "ca_cert_type": "etcd", "pem": null});
    let signed = rig
        .call(&token, "POST", "/v1/certificates", Some(body))
        .await
        .expect(201);
    assert_eq!(
        keys(&signed),
        ["ca_cert_type", "cluster_uuid", "csr", "links", "pem"]
    );

    for body in [
        json!({"cluster_uuid": "none", "csr": CSR}),
        json!({"csr": CSR}),
        json!({"cluster_uuid": cluster}),
        json!({"cluster_uuid": cluster, "csr": ""}),
        json!({"cluster_uuid": cluster, "csr": "nonsense"}),
        json!({"cluster_uuid": cluster, "csr": CSR, "ca_cert_type": "nothing"}),
        json!({"cluster_uuid": cluster, "csr": CSR, "links": []}),
    ] {
        rig.call(&token, "POST", "/v1/certificates", Some(body.clone()))
            .await
            .refusal(400);
    }
}

#[tokio::test]
async fn colleagues_get_no_certificates_and_administrators_do() {
    let rig = Rig::start().await;
    rig.add_user("colleague", "demo", &["member"]);
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let cluster = rig.cluster(&token, &template, json!({})).await;
    make_authorities(&rig, cluster.parse().unwrap()).await;
    let body = json!({"cluster_uuid": cluster, "csr": CSR});
    for (user, project, shown, signed) in [
        ("colleague", "demo", 403, 403),
        ("demo_reader", "demo", 403, 403),
        ("alt_demo", "alt_demo", 404, 400),
        ("admin", "admin", 200, 201),
    ] {
        let token = rig.token(user, project).await;
        let answer = rig.get(&token, &format!("/v1/certificates/{cluster}")).await;
        assert_eq!(answer.status.as_u16(), shown, "{user}");
        let answer = rig
            .call(&token, "POST", "/v1/certificates", Some(body.clone()))
            .await;
        assert_eq!(answer.status.as_u16(), signed, "{user}");
    }
}
