//! What is asked of the load balancer of the masters' API, and who may reach that API.

use jeroboam_driver::LabelKind::{Bool, Choice, Pattern};
use jeroboam_driver::{Ask, Cidr, Invalid, LabelDefault, LabelReach, LabelSpec};

use crate::read::{self, label};

/// Octavia's algorithms.
const ALGORITHMS: &[&str] = &["ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"];

/// Octavia's provider without machines of its own. It has one algorithm, knows no sources that may connect, and keeps
/// the addresses of clients.
const OVN: &str = "ovn";
const OVN_ALGORITHM: &str = "SOURCE_IP_PORT";

/// Names of the label with those who may connect: of the Heat driver and of the Helm one.
const ALLOWED_CIDRS: [&str; 2] = ["master_lb_allowed_cidrs", "api_master_lb_allowed_cidrs"];

/// The labels that are read here.
pub const LABELS: [LabelSpec; 5] = [
    LabelSpec {
        name: "octavia_provider",
        kind: Pattern {
            form: "the name of an Octavia provider such as amphora or ovn",
            fits: |text| provider(text).is_ok(),
        },
        default: LabelDefault::None,
        reach: LabelReach::Cluster,
        description: "Octavia provider of the API's load balancer, instead of Octavia's default",
    },
    LabelSpec {
        name: "octavia_lb_algorithm",
        kind: Choice(ALGORITHMS),
        default: LabelDefault::None,
        reach: LabelReach::Cluster,
        description: "how it spreads connections: SOURCE_IP_PORT with provider ovn, else ROUND_ROBIN if not given",
    },
    LabelSpec {
        name: "octavia_lb_healthcheck",
        kind: Bool,
        default: LabelDefault::Value("true"),
        reach: LabelReach::Cluster,
        description: "lets it check the masters, and leave out those that do not answer",
    },
    allowed(
        ALLOWED_CIDRS[0],
        "networks that may reach the API, besides the cluster itself; everybody if empty",
    ),
    allowed(ALLOWED_CIDRS[1], "the same"),
];

const fn allowed(name: &'static str, description: &'static str) -> LabelSpec {
    LabelSpec {
        name,
        kind: Pattern {
            form: "IPv4 networks such as 192.0.2.0/24 with commas between them",
            fits: |text| networks(text).is_ok(),
        },
        default: LabelDefault::None,
        reach: LabelReach::Cluster,
        description,
    }
}

/// The load balancer, and who may reach the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Octavia provider; `None` for Octavia's default.
    pub provider: Option<String>,
    /// Octavia's name of the algorithm.
    pub algorithm: String,
    /// True when masters are checked.
    pub monitor: bool,
    /// Networks that may reach the API; empty for everybody. Without those of the cluster itself.
    pub allowed: Vec<Cidr>,
}

impl Clients {
    /// Reads and checks them.
    pub(crate) fn parse(ask: &Ask) -> Result<Self, Invalid> {
        let provider = label(ask, None, "octavia_provider", provider)?;
        let is_ovn = provider.as_deref() == Some(OVN);
        let given = label(ask, None, "octavia_lb_algorithm", algorithm)?;
        if let (true, Some(other)) = (is_ovn, given.filter(|given| *given != OVN_ALGORITHM)) {
            let reason = format!("Octavia's provider ovn has {OVN_ALGORITHM} only, and not {other}");
            return Err(Invalid::new("labels.octavia_lb_algorithm", reason));
        }
        let usual = if is_ovn { OVN_ALGORITHM } else { ALGORITHMS[0] };
        Ok(Self {
            provider,
            algorithm: given.unwrap_or(usual).to_owned(),
            monitor: label(ask, None, "octavia_lb_healthcheck", read::boolean)?.unwrap_or(true),
            allowed: allowed_networks(ask)?,
        })
    }

    /// Everybody who may reach the API when the cluster itself comes from these networks; empty for everybody.
    pub fn allowed_with(&self, own: &[Cidr]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        if self.allowed.is_empty() {
            return all;
        }
        for cidr in self.allowed.iter().chain(own) {
            let text = cidr.to_string();
            if !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    /// True when the load balancer can refuse connections by itself. Where it cannot, it keeps the clients'
    /// addresses, so that the masters can.
    pub fn balancer_refuses(&self) -> bool {
        self.provider.as_deref() != Some(OVN)
    }
}

/// The networks of the label, with those that this service comes from.
fn allowed_networks(ask: &Ask) -> Result<Vec<Cidr>, Invalid> {
    let mut found: Option<(&str, Vec<Cidr>)> = None;
    for name in ALLOWED_CIDRS {
        let given = label(ask, None, name, networks)?.unwrap_or_default();
        match &found {
            _ if given.is_empty() => {}
            Some((other, before)) if *before != given => {
                let reason = format!("has other networks than {other}, which means the same");
                return Err(Invalid::new(format!("labels.{name}"), reason));
            }
            _ => found = Some((name, given)),
        }
    }
    let Some((name, mut allowed)) = found else {
        return Ok(Vec::new());
    };
    if allowed.iter().any(|cidr| cidr.prefix_len() == 0) {
        return Ok(Vec::new());
    }
    let own = &ask.resolved.defaults.source_cidrs;
    if own.is_empty() {
        let reason = "the operator has not said from where this service reaches clusters ([engine] source_cidrs), and it \
                      would be shut out";
        return Err(Invalid::new(format!("labels.{name}"), reason));
    }
    allowed.extend(own.iter().filter_map(|text| Cidr::parse(text).ok()));
    Ok(allowed)
}

/// Reads a comma list of networks. A single address is one of its own, and host bits do not count.
fn networks(text: &str) -> Result<Vec<Cidr>, String> {
    read::items(text).map(Cidr::parse_loosely).collect()
}

fn provider(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_name = (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    match is_name {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is not the name of an Octavia provider")),
    }
}

fn algorithm(text: &str) -> Result<&'static str, String> {
    let mut all = ALGORITHMS.iter();
    let known = all.find(|known| **known == text.trim());
    known
        .copied()
        .ok_or_else(|| format!("{text:?} is not one of {}", ALGORITHMS.join(", ")))
}

#[cfg(test)]
mod tests {
    use jeroboam_types::Labels;

    use super::*;
    use crate::testkit::ask;

    fn parse<const N: usize>(labels: [(&str, &str); N]) -> Result<Clients, Invalid> {
        let mut ask = ask(3, 1);
        ask.cluster.labels = Labels::from_iter(labels);
        ask.resolved.defaults.source_cidrs = vec!["198.51.100.0/28".into()];
        Clients::parse(&ask)
    }

    #[test]
    fn ovn_has_one_algorithm() {
        let algorithm = |provider, asked| {
            parse([("octavia_provider", provider), ("octavia_lb_algorithm", asked)])
                .map(|read| read.algorithm)
        };
        assert_eq!(parse([]).unwrap().algorithm, "ROUND_ROBIN");
        assert_eq!(
            parse([("octavia_provider", "ovn")]).unwrap().algorithm,
            "SOURCE_IP_PORT"
        );
        assert_eq!(algorithm("ovn", "SOURCE_IP_PORT").unwrap(), "SOURCE_IP_PORT");
        assert_eq!(
            algorithm("amphora", "LEAST_CONNECTIONS").unwrap(),
            "LEAST_CONNECTIONS"
        );
        assert_eq!(
            algorithm("ovn", "ROUND_ROBIN").unwrap_err().field,
            "labels.octavia_lb_algorithm"
        );
        assert_eq!(
            algorithm("a b", "ROUND_ROBIN").unwrap_err().field,
            "labels.octavia_provider"
        );
    }

    #[test]
    fn who_is_allowed_is_always_joined_by_the_service_and_the_cluster() {
        let own = [Cidr::parse("10.0.0.0/24").unwrap()];
        let allowed = |text| parse([("master_lb_allowed_cidrs", text)]).map(|read| read.allowed_with(&own));
        assert_eq!(
            allowed("203.0.113.7, 192.0.2.9/24,10.0.0.0/24").unwrap(),
            ["203.0.113.7/32", "192.0.2.0/24", "10.0.0.0/24", "198.51.100.0/28"]
        );
        assert_eq!(allowed("").unwrap(), [""; 0]);
        assert_eq!(allowed("192.0.2.0/24,0.0.0.0/0").unwrap(), [""; 0]);
        for wrong in ["10.0.0.0/33", "2001:db8::/64", "everybody"] {
            assert_eq!(
                allowed(wrong).unwrap_err().field,
                "labels.master_lb_allowed_cidrs",
                "{wrong}"
            );
        }
        let two = parse([
            ("master_lb_allowed_cidrs", "192.0.2.0/24"),
            ("api_master_lb_allowed_cidrs", "192.0.2.0/25"),
        ]);
        assert_eq!(two.unwrap_err().field, "labels.api_master_lb_allowed_cidrs");
        let mut ask = ask(1, 1);
        ask.cluster.labels = Labels::from_iter([("api_master_lb_allowed_cidrs", "192.0.2.0/24")]);
        let refused = Clients::parse(&ask).unwrap_err();
        assert_eq!(refused.field, "labels.api_master_lb_allowed_cidrs");
        assert!(refused.reason.contains("source_cidrs"), "{refused}");
    }
}
