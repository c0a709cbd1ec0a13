//! Certificates: who gets which authority's certificate, and what is signed.

use jeroboam_pki::{Authority, Purpose, RsaBits, Validity};
use jeroboam_store::{Claim, Sealed};
use jeroboam_types::{ClusterId, Millis, Revision, Roll, TrustStage};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::rig::{Rig, keys};

const CSR: &str = include_str!("admin.csr.pem");

/// Does the engine's part: an authority for each purpose.
async fn make_authorities(rig: &Rig, cluster: ClusterId) {
    let claim = rig.claim().await.remove(0);
    make_generation(rig, cluster, &claim, 0).await;
}

async fn make_generation(rig: &Rig, cluster: ClusterId, claim: &Claim, generation: u32) {
    for purpose in [Purpose::Cluster, Purpose::Etcd, Purpose::FrontProxy] {
        let validity = Validity::days(1_795_000_000, 30);
        let authority = Authority::generate("prod", purpose, RsaBits::Rsa2048, validity).unwrap();
        let name = purpose.sealed_name(generation);
        let key = authority.key_pem();
        let aad = format!("sealed/{cluster}/{name}");
        let sealed = rig.keyring.seal(&aad, key.expose_secret().as_bytes()).unwrap();
        let secret = Sealed {
            name,
            public_part: Some(authority.certificate_pem.clone() + "\n"),
            sealed,
        };
        rig.store.engine().put_sealed(claim, &secret).await.unwrap();
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

/// Certificates of an answer, each by itself.
fn certificates(answer: &serde_json::Value) -> Vec<String> {
    let pem = answer["pem"].as_str().unwrap();
    let parts = pem
        .split("-----END CERTIFICATE-----")
        .filter(|part| !part.is_empty());
    parts.map(|part| part.trim().to_owned()).collect()
}

/// True for a certificate of an authority, whose text has no last line, as OpenSSL sees it.
fn is_signed_by(certificate: &str, authority: &str) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = write("ca.pem", &format!("{authority}\n-----END CERTIFICATE-----\n"));
    let certificate = write("certificate.pem", certificate);
    let mut openssl = std::process::Command::new("openssl");
    // The rig's clock is not today's.
    openssl
        .args(["verify", "-no_check_time", "-CAfile"])
        .arg(authority)
        .arg(certificate);
    openssl.output().unwrap().status.success()
}

#[tokio::test]
async fn during_a_rotation_both_authorities_are_shown_and_what_everybody_takes_signs() {
    let rig = Rig::start().await;
    let token = rig.token("demo", "demo").await;
    let template = rig.template(&token, json!({})).await;
    let more = json!({"master_count": 3, "master_lb_enabled": true});
    let cluster = rig.cluster(&token, &template, more).await;
    let uuid: ClusterId = cluster.parse().unwrap();
    let claim = rig.claim().await.remove(0);
    make_generation(&rig, uuid, &claim, 0).await;
    let path = format!("/v1/certificates/{cluster}");
    let first = certificates(&rig.get(&token, &path).await.expect(200));
    assert_eq!(first.len(), 1);
    let mut second = Vec::new();
    for (stage, shown, signs) in [(1, 2, 0), (2, 2, 1), (3, 1, 1)] {
        let mut work = rig.store.engine().load(&claim).await.unwrap();
        for group in &mut work.groups {
            let mut roll = Roll::standing(Revision::default());
            roll.target.trust = TrustStage(stage);
            group.roll = Some(roll);
        }
        let engine = rig.store.engine();
        engine
            .advance(&claim, work.generation, &work.groups, Millis(i64::MAX / 2))
            .await
            .unwrap();
        if stage == 1 {
            // Asked for before the engine has made it, it is waited for, and made in the meantime.
            let asked = rig.get(&token, &path);
            let made = make_generation(&rig, uuid, &claim, 1);
            let (answer, ()) = tokio::join!(asked, made);
            second = certificates(&answer.expect(200)).split_off(1);
            assert!(second.len() == 1 && second != first);
        }
        let answer = rig.get(&token, &path).await.expect(200);
        let signer = if signs == 0 { &first } else { &second };
        let held = certificates(&answer);
        assert_eq!((held.len(), &held[..1]), (shown, &signer[..]), "stage {stage}");
        let etcd = rig.get(&token, &format!("{path}/etcd")).await.expect(200);
        assert_eq!(certificates(&etcd).len(), shown);

        let body = json!({"cluster_uuid": cluster, "csr": CSR});
        let signed = rig
            .call(&token, "POST", "/v1/certificates", Some(body))
            .await
            .expect(201);
        assert!(
            is_signed_by(signed["pem"].as_str().unwrap(), &signer[0]),
            "stage {stage} signs with {signs}"
        );
    }
}
