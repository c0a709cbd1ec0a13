//! A cluster's identity, by grant and by trust.

use jeroboam_cloud::{Credentials, DomainName, Kind, Scope, Session, UserName, identity, network};
use jeroboam_simcloud::SimCloud;

use super::{cloud, connector, demo, magnum};

fn domain_admin(cloud: &SimCloud) -> Session {
    let user = UserName::Name {
        name: "magnum_domain_admin".into(),
        domain: DomainName::Name("magnum".into()),
    };
    let scope = Scope::Domain(DomainName::Name("magnum".into()));
    connector(cloud).session(Credentials::Password {
        user,
        password: "secret".into(),
        scope,
    })
}

fn scoped(cloud: &SimCloud, user_id: &str, scope: Scope) -> Session {
    let user = UserName::Id(user_id.into());
    connector(cloud).session(Credentials::Password {
        user,
        password: "of-the-cluster".into(),
        scope,
    })
}

#[tokio::test]
async fn a_user_with_granted_roles_works_in_the_project_and_goes_without_a_trace() {
    let cloud = cloud().await;
    let (service, tenant) = (magnum(&connector(&cloud)), demo(&connector(&cloud)));
    let project_id = tenant.token().await.unwrap().project_id.clone().unwrap();
    let domain = identity::find_domain(&service, "magnum").await.unwrap().unwrap();
    assert!(
        identity::find_domain(&service, "nowhere")
            .await
            .unwrap()
            .is_none()
    );
    let admin = domain_admin(&cloud);
    let password = "of-the-cluster".into();
    let made = identity::create_user(&admin, "c-1", &domain.id, &password, "of a cluster")
        .await
        .unwrap();
    let again = identity::create_user(&admin, "c-1", &domain.id, &password, "")
        .await
        .unwrap_err();
    assert_eq!((again.kind, again.is_transient()), (Kind::Conflict, false));
    assert_eq!(
        identity::find_users(&admin, "c-1", &domain.id).await.unwrap(),
        std::slice::from_ref(&made)
    );
    assert_eq!(
        identity::find_user(&admin, &made.id).await.unwrap().as_ref(),
        Some(&made)
    );

    let roles = identity::find_roles(&service, &["member".into(), "nothing".into()])
        .await
        .unwrap();
    assert_eq!(roles.len(), 1);
    assert!(identity::list_roles(&service).await.unwrap().len() > 1);
    for _ in 0..2 {
        identity::grant_role(&service, &project_id, &made.id, &roles[0].id)
            .await
            .unwrap();
    }
    let assigned = identity::list_assignments(&service, &made.id, &project_id)
        .await
        .unwrap();
    assert_eq!(assigned, [roles[0].id.clone()]);
    assert_eq!(
        identity::find_project(&service, &project_id)
            .await
            .unwrap()
            .unwrap()
            .name,
        "demo"
    );

    let own = scoped(
        &cloud,
        &made.id,
        Scope::Project {
            id: project_id.clone(),
        },
    );
    network::create_network(&own, "by-the-cluster").await.unwrap();
    assert_eq!(
        network::networks_named(&tenant, "by-the-cluster")
            .await
            .unwrap()
            .len(),
        1
    );

    identity::set_password(&admin, &made.id, &"another".into())
        .await
        .unwrap();
    let refused = scoped(&cloud, &made.id, Scope::Unscoped)
        .token()
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Unauthorized);
    for _ in 0..2 {
        identity::revoke_role(&service, &project_id, &made.id, &roles[0].id)
            .await
            .unwrap();
        identity::delete_user(&admin, &made.id).await.unwrap();
    }
    assert!(
        identity::find_users(&admin, "c-1", &domain.id)
            .await
            .unwrap()
            .is_empty()
    );
    let left = cloud.usage();
    assert_eq!((left.count("users"), left.count("role_assignments")), (0, 0));
}

#[tokio::test]
async fn a_trustee_acts_in_the_trustor_s_project_until_the_trust_ends() {
    let cloud = cloud().await;
    let tenant = demo(&connector(&cloud));
    let admin = domain_admin(&cloud);
    let trustor = tenant.token().await.unwrap();
    let project_id = trustor.project_id.clone().unwrap();
    let domain_id = admin.token().await.unwrap().domain_id.clone().unwrap();
    let trustee = identity::create_user(&admin, "c-2", &domain_id, &"of-the-cluster".into(), "")
        .await
        .unwrap();
    let trust = identity::create_trust(
        &tenant,
        &trustor.user_id,
        &trustee.id,
        &project_id,
        &trustor.roles,
        true,
    )
    .await
    .unwrap();
    let own = scoped(&cloud, &trustee.id, Scope::Trust { id: trust.id.clone() });
    let token = own.token().await.unwrap();
    assert_eq!(token.trust_id.as_deref(), Some(trust.id.as_str()));
    assert_eq!(
        (&token.project_id, &token.user_id),
        (&trustor.project_id, &trustor.user_id)
    );
    network::create_network(&own, "by-the-trustee").await.unwrap();

    let unscoped = scoped(&cloud, &trustee.id, Scope::Unscoped);
    assert_eq!(
        identity::find_trusts(&unscoped, &trustee.id).await.unwrap(),
        std::slice::from_ref(&trust)
    );
    for _ in 0..2 {
        identity::delete_trust(&tenant, &trust.id).await.unwrap();
    }
    let error = network::create_network(&own, "too-late").await.unwrap_err();
    assert!(
        matches!(error.kind, Kind::Unauthorized | Kind::NotAllowed),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_member_may_not_make_users() {
    let cloud = cloud().await;
    let tenant = demo(&connector(&cloud));
    let error = identity::create_user(&tenant, "u", "default", &"p".into(), "")
        .await
        .unwrap_err();
    assert_eq!(
        (error.service, error.kind, error.status),
        ("identity", Kind::NotAllowed, Some(403))
    );
    assert!(!error.is_transient() && !error.may_have_happened());
}
