//! Running other programs to their end; every failure names the program, its status and its last words.

use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::Error;

/// Where administrative programs live; an unprivileged user's `PATH` often leaves these out.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Command with a fixed search path and nothing else of our environment, which may hold credentials.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("LC_ALL", "C.UTF-8");
    for name in [
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a program and returns its standard output.
pub(crate) async fn run(program: &str, args: &[&str]) -> Result<String, Error> {
    finish(program, command(program).args(args), None).await
}

/// Runs a program with `input` on its standard input.
pub(crate) async fn run_with_input(program: &str, args: &[&str], input: &str) -> Result<String, Error> {
    finish(program, command(program).args(args), Some(input)).await
}

/// Runs a program in a named network namespace. Other than `ip netns exec` this leaves `/sys` as it is.
pub(crate) async fn run_in_netns(
    netns: &str,
    program: &str,
    args: &[&str],
    input: Option<&str>,
) -> Result<String, Error> {
    let mut nsenter = command("nsenter");
    nsenter
        .arg(format!("--net=/run/netns/{netns}"))
        .arg("--")
        .arg(program)
        .args(args);
    finish(program, &mut nsenter, input).await
}

/// Runs several `ip` commands in a network namespace, up to the first that fails.
pub(crate) async fn ip_batch(netns: &str, commands: &str) -> Result<(), Error> {
    run_with_input("ip", &["-n", netns, "-batch", "-"], commands)
        .await
        .map(drop)
}

/// Runs a shell script in a private mount namespace with all control group hierarchies in `$hierarchies`.
pub(crate) async fn run_in_mount_namespace(script: &str, args: &[&str]) -> Result<String, Error> {
    finish("unshare", &mut mount_namespace(script, args), None).await
}

/// The command behind [`run_in_mount_namespace`], for scripts that become a long-lived program.
pub(crate) fn mount_namespace(script: &str, args: &[&str]) -> Command {
    let mut unshare = command("unshare");
    // Slave, not private: a network namespace that is deleted outside must not live on through a copied mount.
    unshare.args(["--mount", "--propagation", "slave", "sh", "-euc"]);
    unshare
        .arg(format!("{}\n{script}", include_str!("../scripts/cgroups.sh")))
        .arg("sh")
        .args(args);
    unshare
}

async fn finish(program: &str, command: &mut Command, input: Option<&str>) -> Result<String, Error> {
    let start = |source| Error::Start {
        program: program.to_owned(),
        source,
    };
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let feed = child.stdin.take().zip(input);
    let write = async move {
        if let Some((mut stdin, input)) = feed {
            // A program that ends without reading shows in its status.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failure(
        program,
        output.status,
        &String::from_utf8_lossy(&output.stderr),
    ))
}

/// The error for a program that ended with `status` after writing `stderr`.
pub(crate) fn failure(program: &str, status: ExitStatus, stderr: &str) -> Error {
    Error::Program {
        program: program.to_owned(),
        status: status.to_string(),
        message: last_line(stderr),
    }
}

/// Last line with something in it.
pub(crate) fn last_line(text: &str) -> String {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no message")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_names_program_status_and_last_words() {
        let error = run("sh", &["-c", "echo first >&2; echo second >&2; exit 3"])
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3): second");
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_none_of_our_environment() {
        let output = run_with_input("sh", &["-c", "cat; echo $HOME"], "hello ")
            .await
            .unwrap();
        assert_eq!(output, "hello \n");
    }

    #[tokio::test]
    async fn an_absent_program_is_named() {
        let error = run("jeroboam-no-such-program", &[]).await.unwrap_err();
        assert_eq!(error.to_string(), "jeroboam-no-such-program cannot be started");
    }
}
