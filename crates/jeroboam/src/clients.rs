//! What a client of the simulated cloud needs to log in.

/// `OS_*` variables of the simulated cloud's demo user.
pub fn environment(auth_url: &str) -> Vec<(&'static str, String)> {
    let fixed = [
        ("OS_IDENTITY_API_VERSION", "3"),
        ("OS_USERNAME", "demo"),
        ("OS_PASSWORD", "secret"),
        ("OS_PROJECT_NAME", "demo"),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
        ("OS_REGION_NAME", "RegionOne"),
    ];
    let mut all = vec![("OS_AUTH_URL", auth_url.to_owned())];
    all.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    all
}
