//! Nova v2.1: servers, server groups, keypairs, flavors, limits.
//!
//! All calls use microversion 2.67 (Stein, 2019), the first that can give a boot volume a type; it also has a
//! server group's single `policy` (2.64), tags at creation (2.52) and flavors by description (2.55). Later ones
//! bring nothing that is read here, so that every cloud still in service understands it.

mod flavor;
mod keypair;
mod limits;
mod new_server;
mod server;
mod server_group;

use reqwest::Method;

use crate::call::Call;
use crate::service::Service;
use crate::session::Session;

pub use flavor::{Flavor, find_flavor, find_flavors};
pub use keypair::{Keypair, create_keypair, delete_keypair, find_keypair};
pub use limits::server_group_members;
pub use new_server::{BootVolume, NewServer};
pub use server::{
    Server, console_log, create_server, delete_server, servers_beginning, servers_named, show_server,
};
pub use server_group::{ServerGroup, create_server_group, delete_server_group, server_groups_named};

const MICROVERSION: &str = "compute 2.67";

fn call<'a>(session: &'a Session, method: Method, path: &[&'a str]) -> Call<'a> {
    session
        .call(Service::Compute, method, path)
        .microversion(MICROVERSION)
}
