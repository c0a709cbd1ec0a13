//! Who a session is and what it may act on.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// What a session proves itself with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A user and a password: tokens are renewed for as long as the password holds.
    Password {
        /// Who.
        user: UserName,
        /// The password.
        password: SecretString,
        /// What the tokens are for.
        scope: Scope,
    },
    /// An application credential, whose tokens are for its project and its roles.
    ApplicationCredential {
        /// Which one.
        credential: ApplicationCredentialName,
        /// Its secret.
        secret: SecretString,
    },
    /// A token that is exchanged for others of the wanted scope. They end when it ends.
    Exchange {
        /// The token.
        token: SecretString,
        /// What the new tokens are for.
        scope: Scope,
    },
    /// A caller's token, used as it is and with its catalog. It is never renewed.
    Token {
        /// The token.
        token: SecretString,
    },
}

/// An application credential of Keystone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplicationCredentialName {
    /// By id.
    Id(String),
    /// By name, which is unique for a user only.
    Name {
        /// Name.
        name: String,
        /// Owner.
        user: UserName,
    },
}

/// A Keystone user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By id.
    Id(String),
    /// By name, which is unique in a domain only.
    Name {
        /// Name.
        name: String,
        /// Domain.
        domain: DomainName,
    },
}

/// A Keystone domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainName {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: good for little more than questions about oneself; it has no catalog.
    Unscoped,
    /// A project.
    Project {
        /// Its id.
        id: String,
    },
    /// A project by name.
    ProjectName {
        /// Its name.
        name: String,
        /// The domain that it is in.
        domain: DomainName,
    },
    /// A domain.
    Domain(DomainName),
    /// The whole deployment.
    System,
    /// The project and roles of a trust whose trustee the user is.
    Trust {
        /// Its id.
        id: String,
    },
}

impl DomainName {
    fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name(name) => json!({"name": name}),
        }
    }
}

impl Scope {
    fn to_json(&self) -> Value {
        match self {
            Self::Unscoped => json!("unscoped"),
            Self::Project { id } => json!({"project": {"id": id}}),
            Self::ProjectName { name, domain } => {
                json!({"project": {"name": name, "domain": domain.to_json()}})
            }
            Self::Domain(domain) => json!({"domain": domain.to_json()}),
            Self::System => json!({"system": {"all": true}}),
            Self::Trust { id } => json!({"OS-TRUST:trust": {"id": id}}),
        }
    }
}

impl UserName {
    fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!({"id": id}),
            Self::Name { name, domain } => json!({"name": name, "domain": domain.to_json()}),
        }
    }
}

impl Credentials {
    /// Body of `POST /v3/auth/tokens`; `None` for a token that is used as it is.
    pub(crate) fn body(&self) -> Option<Value> {
        match self {
            Self::Password {
                user,
                password,
                scope,
            } => Some(password_body(user, password, scope)),
            Self::ApplicationCredential { credential, secret } => {
                let mut named = match credential {
                    ApplicationCredentialName::Id(id) => json!({"id": id}),
                    ApplicationCredentialName::Name { name, user } => {
                        json!({"name": name, "user": user.to_json()})
                    }
                };
                named["secret"] = json!(secret.expose_secret());
                Some(json!({"auth": {"identity":
                    {"methods": ["application_credential"], "application_credential": named}}}))
            }
            Self::Exchange { token, scope } => Some(json!({"auth": {
                "identity": {"methods": ["token"], "token": {"id": token.expose_secret()}},
                "scope": scope.to_json(),
            }})),
            Self::Token { .. } => None,
        }
    }
}

fn password_body(user: &UserName, password: &SecretString, scope: &Scope) -> Value {
    let mut user = user.to_json();
    user["password"] = json!(password.expose_secret());
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": scope.to_json(),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_bodies_are_those_of_keystone() {
        let user = UserName::Name {
            name: "u".into(),
            domain: DomainName::Id("default".into()),
        };
        let scope = Scope::Trust { id: "t".into() };
        assert_eq!(
            password_body(&user, &"p".into(), &scope),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user":
                    {"name": "u", "domain": {"id": "default"}, "password": "p"}}},
                "scope": {"OS-TRUST:trust": {"id": "t"}},
            }})
        );
        assert_eq!(Scope::System.to_json(), json!({"system": {"all": true}}));
        assert_eq!(
            Scope::ProjectName {
                name: "p".into(),
                domain: DomainName::Name("d".into())
            }
            .to_json(),
            json!({"project": {"name": "p", "domain": {"name": "d"}}})
        );
    }

    #[test]
    fn an_application_credential_chooses_no_scope() {
        let credentials = Credentials::ApplicationCredential {
            credential: ApplicationCredentialName::Name {
                name: "c".into(),
                user: UserName::Id("u".into()),
            },
            secret: "s".into(),
        };
        assert_eq!(
            credentials.body(),
            Some(
                json!({"auth": {"identity": {"methods": ["application_credential"],
                "application_credential": {"name": "c", "user": {"id": "u"}, "secret": "s"}}}})
            )
        );
    }

    #[test]
    fn debug_output_of_credentials_holds_no_secret() {
        let credentials = Credentials::Password {
            user: UserName::Id("u".into()),
            password: "hunter2".into(),
            scope: Scope::Unscoped,
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
