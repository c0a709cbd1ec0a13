//! Runs a simulator on a fixed port, for trying clients by hand.
//!
//! `cargo run --example simcloud -- 5000` has state-only servers; with a second and third argument, a state and a
//! cache directory, servers are machines, which needs root.

use std::io::Write;
use std::path::Path;

use jeroboam_simcloud::{Nodes, Options, SimCloud};
use jeroboam_simnodes::{Machines, image};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(5000), |port| port.parse())?;
    let nodes = match (arguments.next(), arguments.next()) {
        (Some(state), Some(cache)) => {
            let base = image::ensure(Path::new(&cache), &|_| {}).await?;
            Nodes::Real {
                machines: Machines::open(Path::new(&state), "ex", base).await?,
            }
        }
        _ => Nodes::StateOnly,
    };
    let listen = ([127, 0, 0, 1], port).into();
    let cloud = SimCloud::start(Options {
        listen,
        nodes,
        roomy: true,
        ..Options::default()
    })
    .await?;
    writeln!(std::io::stdout(), "OS_AUTH_URL={}", cloud.auth_url())?;
    tokio::signal::ctrl_c().await?;
    cloud.stop().await;
    Ok(())
}
