//! Runs a state-only simulator on a fixed port, for trying clients by hand: `cargo run --example simcloud -- 5000`.

use jeroboam_simcloud::{Options, SimCloud};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(5000), |port| port.parse())?;
    let listen = ([127, 0, 0, 1], port).into();
    let cloud = SimCloud::start(Options {
        listen,
        roomy: true,
        ..Options::default()
    })
    .await?;
    writeln!(std::io::stdout(), "OS_AUTH_URL={}", cloud.auth_url())?;
    tokio::signal::ctrl_c().await?;
    cloud.stop().await;
    Ok(())
}

use std::io::Write;
