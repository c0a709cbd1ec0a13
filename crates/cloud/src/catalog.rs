//! Keystone's catalog: where each service is.

use serde::Deserialize;

use crate::error::{Error, Kind};
use crate::options::Interface;
use crate::service::Service;

/// The catalog that came with a token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    /// Services in Keystone's order.
    pub services: Vec<CatalogService>,
}

/// A service of the catalog.
#[derive(Clone, Debug, Deserialize)]
pub struct CatalogService {
    /// Service type, such as `compute`.
    #[serde(rename = "type")]
    pub service_type: String,
    /// Endpoints of all regions and interfaces.
    #[serde(default)]
    pub endpoints: Vec<CatalogEndpoint>,
}

/// An endpoint of a service.
#[derive(Clone, Debug, Deserialize)]
pub struct CatalogEndpoint {
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// Region id.
    #[serde(default)]
    pub region_id: Option<String>,
    /// Region id under its former name.
    #[serde(default)]
    pub region: Option<String>,
    /// URL.
    pub url: String,
}

impl Catalog {
    /// URL of a service. `NoEndpoint` when the catalog has none for the interface and region.
    pub fn endpoint(
        &self,
        service: Service,
        interface: Interface,
        region: Option<&str>,
    ) -> Result<&str, Error> {
        let fits = |endpoint: &&CatalogEndpoint| {
            endpoint.interface == interface.as_str()
                && region.is_none_or(|wanted| {
                    endpoint.region_id.as_deref() == Some(wanted)
                        || endpoint.region.as_deref() == Some(wanted)
                })
        };
        service
            .aliases()
            .iter()
            .flat_map(|alias| {
                self.services
                    .iter()
                    .filter(move |entry| entry.service_type == *alias)
            })
            .find_map(|entry| entry.endpoints.iter().find(fits))
            .map(|endpoint| endpoint.url.as_str())
            .ok_or_else(|| {
                let place = region
                    .map(|region| format!(" in region {region}"))
                    .unwrap_or_default();
                let message = format!("the catalog has no {} endpoint{place}", interface.as_str());
                Error::new(service.name(), Kind::NoEndpoint, message)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        serde_json::from_value(serde_json::json!([
            {"type": "volume", "name": "cinder", "id": "1", "endpoints": [
                {"id": "a", "interface": "public", "region": "one", "region_id": "one", "url": "http://old"}]},
            {"type": "volumev3", "endpoints": [
                {"interface": "public", "region_id": "one", "url": "http://one"},
                {"interface": "public", "region_id": "two", "url": "http://two"},
                {"interface": "internal", "region_id": "two", "url": "http://inside"}]},
        ]))
        .unwrap()
    }

    #[test]
    fn the_better_alias_the_region_and_the_interface_decide() {
        let catalog = catalog();
        let find = |interface, region| catalog.endpoint(Service::BlockStorage, interface, region);
        assert_eq!(find(Interface::Public, None).unwrap(), "http://one");
        assert_eq!(find(Interface::Public, Some("two")).unwrap(), "http://two");
        assert_eq!(find(Interface::Internal, None).unwrap(), "http://inside");
    }

    #[test]
    fn a_missing_endpoint_is_named() {
        let error = catalog()
            .endpoint(Service::LoadBalancer, Interface::Admin, Some("one"))
            .unwrap_err();
        assert_eq!((error.service, error.kind), ("load-balancer", Kind::NoEndpoint));
        assert_eq!(error.message, "the catalog has no admin endpoint in region one");
    }
}
