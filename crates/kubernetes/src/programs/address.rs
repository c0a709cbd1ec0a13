//! Tests of the masters' turns at the address of the API.

use super::Machine;

/// A master's lease is named by its address.
const OWN: &str = "10000000005";
const OTHER: &str = "10000000006";

/// A master beside one that serves in `other`, where files say what there is: `etcd` and `api` that answer here, and `holder`
/// with the lease of who has the key. After each turn the script `turn-N` runs, and after the last one the program is
/// killed.
fn master(settings: &[(&str, &str)], there: &[&str], turns: u32) -> Machine {
    let machine = Machine::new(settings);
    machine.write("holder", "");
    there.iter().for_each(|file| machine.write(file, ""));
    machine.program(
        "curl",
        r#"cd "${CALLS%/*}"
        case $* in
        *10.0.0.6:2379*) [ -e other ] || exit 7 ;;
        *:2379*) [ -e etcd ] || exit 7 ;;
        *10.0.0.6:6443*) [ -e other ] || exit 7 ;;
        *:6443*) [ -e api ] || exit 7 ;;
        esac
        lease=$(echo "$*" | sed 's/.*\(ID\|lease\)":"\([0-9]*\)".*/\2/')
        case $* in
        *kv/range) [ ! -s holder ] || printf '{"kvs":[{"key":"a2V5","value":"dg==","lease":"%s"}],"count":"1"}' "$(cat holder)" ;;
        *kv/txn) [ -s holder ] || { echo "$lease" >holder; printf '{"header":{},"succeeded":true}'; } ;;
        *lease/keepalive) printf '{"result":{"ID":"%s","TTL":"15"}}' "$lease" ;;
        *member/list) printf '{"members":[{"ID":"1","clientURLs":["https://10.0.0.5:2379"]},{"ID":"2","name":"b","clientURLs":["https://10.0.0.6:2379"]}]}' ;;
        */nodes/demo-0) [ ! -e cordoned ] || printf '{"spec": {"unschedulable": true}}' ;;
        *lease/revoke) ! grep -q "$lease" holder || : >holder ;;
        esac"#,
    );
    machine.program(
        "ip",
        "case $* in *route*) echo 'default via 10.0.0.1 dev ens3' ;; *show*) echo '2: ens3    inet 10.0.0.5/28' ;; esac",
    );
    machine.program(
        "sleep",
        &format!(
            r#"cd "${{CALLS%/*}}"
            echo >>turns
            turn=$(wc -l <turns)
            [ ! -e "turn-$turn" ] || . "./turn-$turn"
            [ "$turn" -lt {turns} ] || kill -KILL "$PPID""#
        ),
    );
    machine
}

/// What was done about the address, and what etcd and the network were told: a word for each.
fn told(machine: &Machine) -> Vec<&'static str> {
    machine.run("address.sh");
    let all = machine.read("calls");
    let words = [
        (
            "ip address replace 10.0.0.9/32 dev ens3 valid_lft 10 preferred_lft 10",
            "hold",
        ),
        ("ip address delete 10.0.0.9/32 dev ens3", "drop"),
        ("10.0.0.5:2379/v3/kv/txn", "take"),
        ("10.0.0.5:2379/v3/lease/keepalive", "keep"),
        ("10.0.0.5:2379/v3/lease/revoke", "revoke"),
        ("10.0.0.6:2379/v3/lease/revoke", "revoke by another"),
        ("--interface 10.0.0.9 http://10.0.0.1:9/", "announce"),
        ("* http://10.0.0.9:9/", "follow"),
        ("sleep", "turn"),
    ];
    let word = |line: &str| {
        words
            .iter()
            .find(|(part, _)| line.contains(part))
            .map(|(_, word)| *word)
    };
    all.lines().filter_map(word).collect()
}

#[test]
fn the_first_master_has_the_address_before_etcd_is_there_and_then_by_its_key() {
    let machine = master(&[("OTHER_MASTERS", "10.0.0.6:6443")], &[], 4);
    machine.write("turn-1", "touch etcd");
    machine.write("turn-2", "touch api");
    let expected = [
        "hold", "turn", "hold", "turn", "take", "keep", "hold", "announce", "announce", "turn", "keep",
        "hold", "turn",
    ];
    assert_eq!(told(&machine), expected);
    assert_eq!(machine.read("holder").trim(), OWN);
    let granted = machine.calls("curl");
    let granted = granted.iter().find(|call| call.contains("lease/grant")).unwrap();
    assert!(
        granted.contains(&format!(r#"{{"TTL":"15","ID":"{OWN}"}}"#)),
        "{granted}"
    );
}

#[test]
fn nobody_has_the_address_without_etcd_once_the_cluster_has_begun() {
    for (settings, there) in [
        (vec![("ROLE", "master")], vec!["api"]),
        (vec![], vec!["api", "root/var/lib/jeroboam/member"]),
        (vec![("OTHER_MASTERS", "10.0.0.6:6443")], vec!["other"]),
    ] {
        let machine = master(&settings, &there, 2);
        assert_eq!(told(&machine), ["turn", "turn"], "{settings:?} {there:?}");
    }
}

#[test]
fn a_master_waits_until_nobody_has_the_address_and_its_own_api_answers() {
    let machine = master(
        &[("ROLE", "master"), ("OTHER_MASTERS", "10.0.0.6:6443")],
        &["etcd", "other"],
        5,
    );
    machine.write("holder", OTHER);
    machine.write("turn-2", "rm other; : >holder");
    machine.write("turn-3", "touch api");
    let expected = [
        "drop", "follow", "turn", "drop", "turn", "turn", "take", "keep", "hold", "announce", "announce",
        "turn", "keep", "hold", "turn",
    ];
    assert_eq!(told(&machine), expected);
}

#[test]
fn a_master_whose_api_stays_silent_gives_the_address_away() {
    let machine = master(&[("ROLE", "master")], &["etcd", "api"], 5);
    machine.write("turn-1", "rm api");
    let expected = [
        "take", "keep", "hold", "announce", "announce", "turn", "keep", "hold", "turn", "keep", "hold",
        "turn", "keep", "hold", "drop", "revoke", "turn", "turn",
    ];
    assert_eq!(told(&machine), expected);
    assert_eq!(machine.read("holder"), "");
}

#[test]
fn a_master_without_etcd_has_another_one_told_that_it_gives_the_address_away() {
    let others = ("OTHER_MASTERS", "10.0.0.4:6443 10.0.0.6:6443");
    let machine = master(&[("ROLE", "master"), others], &["etcd", "api", "other"], 5);
    machine.write("turn-1", "rm etcd");
    let said = told(&machine);
    assert_eq!(
        said[5..],
        [
            "turn",
            "turn",
            "turn",
            "drop",
            "revoke",
            "revoke by another",
            "turn",
            "turn"
        ]
    );
    assert_eq!(machine.read("holder"), "");
}

#[test]
fn a_lease_that_has_run_out_is_no_right_to_the_address() {
    let machine = master(&[("ROLE", "master")], &["etcd", "api"], 2);
    machine.write("holder", OWN);
    let curl = machine.read("bin/curl").replace(r#","TTL":"15""#, "");
    machine.write("bin/curl", &curl);
    assert_eq!(told(&machine), ["keep", "turn", "keep", "turn"]);
}

#[test]
fn a_machine_that_is_shut_down_gives_the_address_away() {
    let machine = master(&[("ROLE", "master")], &["etcd", "api"], 9);
    machine.write("turn-1", "kill -TERM \"$PPID\"");
    let said = told(&machine);
    assert_eq!(said[5..], ["turn", "drop", "revoke"]);
}

#[test]
fn a_master_that_leaves_gives_the_address_away_before_and_takes_it_only_when_nobody_else_could() {
    // It learns from etcd that there is another one since.
    let machine = master(&[("ROLE", "first")], &["etcd", "api", "other"], 3);
    machine.write("turn-1", "touch cordoned");
    let said = told(&machine);
    assert_eq!(
        said[5..],
        ["turn", "keep", "hold", "drop", "revoke", "turn", "turn"]
    );

    let machine = master(&[("ROLE", "master")], &["etcd", "api", "cordoned"], 2);
    assert_eq!(
        told(&machine).last_chunk(),
        Some(&["turn", "keep", "hold", "turn"])
    );
}
