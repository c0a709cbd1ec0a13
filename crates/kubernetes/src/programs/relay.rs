//! Tests of the calls that a master makes for the service.

use super::Machine;

const CALLS: &str = "https://192.0.2.10:9513/v1/clusters/c/api-calls";

/// A master whose API answers with the status in the file `api`, if there is one, and whose service has what stands in
/// `call-1`, `call-2` and so on; when it has no more, the program ends.
fn master(calls: &[&str]) -> Machine {
    let machine = Machine::new(&[]);
    machine.write("root/etc/jeroboam/calls.url", &format!("{CALLS}\n"));
    for (place, call) in calls.iter().enumerate() {
        machine.write(&format!("call-{}", place + 1), call);
    }
    machine.program(
        "curl",
        r#"cd "${CALLS%/*}"
        output=/dev/null
        previous=
        for word in "$@"; do
            case $previous in
            -o) output=$word ;;
            --data-binary) cat "${word#@}" >>sent; echo >>sent ;;
            esac
            previous=$word
        done
        case $* in
        *readyz*) [ -e api ] || exit 7 ;;
        *"-X POST"*9513*)
            echo >>asked
            number=$(wc -l <asked)
            [ -e "call-$number" ] || { printf 204; kill -KILL "$(cat pid)"; exit; }
            cp "call-$number" "$output"
            if [ -s "call-$number" ]; then printf 200; else printf 503; fi ;;
        *9513*) printf 204 ;;
        *)
            status=$(cat api)
            [ "$status" != 000 ] || { printf 000; exit 28; }
            printf '{"kind":"Status"}' >"$output"
            printf '%s' "$status" ;;
        esac"#,
    );
    machine.program("sleep", r#"cd "${CALLS%/*}"; echo 200 >api"#);
    machine
}

/// What was asked and said.
fn relayed(machine: &Machine) -> (Vec<String>, String) {
    let script = r#"echo $$ >"${CALLS%/*}/pid"; exec /bin/sh "$0" "$@""#;
    let relay = machine.command("relay.sh");
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(script).args(relay.get_args());
    for (name, value) in relay.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let asked = machine.calls("curl").into_iter();
    (asked.filter(|call| !call.contains("readyz")).collect(), said)
}

#[test]
fn a_call_is_made_to_the_masters_own_api_and_its_answer_is_brought() {
    let apply = "5d1c PATCH api/v1/namespaces/a/configmaps/b?fieldManager=jeroboam&force=true application/apply-patch+yaml\n{\"a\": 'b c'}";
    let machine = master(&[apply, "77aa GET api/v1/nodes?limit=5 \n"]);
    machine.write("api", "201");
    let (asked, said) = relayed(&machine);
    assert_eq!(asked.len(), 7, "{asked:#?}");
    let pki = machine.path("root/etc/kubernetes/pki");
    let identity = format!(
        "--cert {0}/apiserver-kubelet-client.crt --key {0}/apiserver-kubelet-client.key",
        pki.display()
    );
    assert!(asked.iter().all(|call| call.contains(&identity)), "{asked:#?}");
    let trusts = |call: &str, file: &str| call.contains(&format!("root/etc/jeroboam/{file}"));
    assert!(asked[0].contains("-X POST") && asked[0].ends_with(CALLS) && trusts(&asked[0], "bootstrap.crt"));
    assert!(asked[1].contains("-X PATCH") && trusts(&asked[1], "ca.crt"));
    assert!(asked[1].contains("-H Content-Type: application/apply-patch+yaml --data-binary @"));
    assert!(asked[1].ends_with(
        "https://10.0.0.5:6443/api/v1/namespaces/a/configmaps/b?fieldManager=jeroboam&force=true"
    ));
    assert!(asked[2].contains("-X PUT") && trusts(&asked[2], "bootstrap.crt"));
    assert!(asked[2].ends_with(&format!("{CALLS}/5d1c?status=201")));
    assert!(asked[4].contains("-X GET") && asked[4].ends_with("https://10.0.0.5:6443/api/v1/nodes?limit=5"));
    assert!(!asked[4].contains("Content-Type") && !asked[4].contains("--data-binary"));
    assert!(asked[5].ends_with(&format!("{CALLS}/77aa?status=201")));
    let answer = "{\"kind\":\"Status\"}";
    assert_eq!(
        machine.read("sent"),
        format!("{{\"a\": 'b c'}}\n{answer}\n{answer}\n")
    );
    assert_eq!(said, "");
}

#[test]
fn a_call_that_is_not_answered_is_told_so_and_the_service_is_asked_on() {
    let machine = master(&["5d1c GET api/v1/nodes \n", ""]);
    machine.write("api", "000");
    let (asked, said) = relayed(&machine);
    assert!(
        asked[2].ends_with(&format!("{CALLS}/5d1c?status=000")),
        "{asked:#?}"
    );
    assert_eq!(machine.read("sent").trim(), "", "nothing of an earlier answer");
    assert_eq!(asked.len(), 5, "{asked:#?}");
    assert_eq!(
        said,
        "jeroboam: no calls from the service at https://192.0.2.10:9513: status 503\n"
    );
}

#[test]
fn a_master_whose_own_api_does_not_serve_leaves_the_calls_to_others() {
    let machine = master(&[]);
    let (asked, _) = relayed(&machine);
    assert_eq!(asked.len(), 1, "after the API was there");
    assert_eq!(machine.calls("sleep"), ["sleep 2"]);
}
