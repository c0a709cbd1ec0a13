use super::*;

fn cause(console: &str) -> Option<String> {
    diagnose(console).map(|diagnosis| diagnosis.cause)
}

#[test]
fn the_last_telling_line_of_a_console_is_the_cause() {
    let booted =
        "[    0.000000] Linux version 6.1.0\r\n\x1b[0;32m  OK  \x1b[0m] Started containerd.service.\r\n";
    let cases = [
        (
            "jeroboam: waiting for the volume of /var/lib/etcd, /dev/vdb\r\n",
            "waiting for the volume of /var/lib/etcd, /dev/vdb",
        ),
        (
            "jeroboam: joining the cluster as soon as it answers\r\njeroboam: not a node yet: error execution phase preflight: \
             couldn't validate the identity of the API Server\r\nweb login: ",
            "not a node yet: error execution phase preflight: couldn't validate the identity of the API Server",
        ),
        (
            "[   31.2] jeroboam-node.sh[812]: jeroboam: no keys yet: the service does not answer at https://192.0.2.1:9513\n",
            "no keys yet: the service does not answer at https://192.0.2.1:9513",
        ),
        (
            "jeroboam: starting the cluster\n[  99.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n",
            "the kernel panicked: Attempted to kill init! exitcode=0x00000009",
        ),
        (
            "kubelet[1]: E1123 failed to pull and unpack image \"registry.k8s.io/pause:3.9\": dial tcp: i/o timeout\n",
            "an image cannot be pulled: failed to pull and unpack image \"registry.k8s.io/pause:3.9\": dial tcp: i/o timeout",
        ),
        (
            "[   12.1] cloud-init[411]: 2026-11-23 02:00:00,001 - util.py[WARNING]: Failed loading yaml blob. Invalid format at line 3\n",
            "cloud-init cannot read its user-data",
        ),
        (
            "url_helper.py[WARNING]: Calling 'http://169.254.169.254/openstack' failed [50/-1s]: Connection refused\n",
            "cloud-init does not reach the metadata service",
        ),
        (
            "ci-info: | 3 | 169.254.169.254 | 10.0.0.2 | UGH |\nCloud-init v. 22.4.2 finished at Mon, 23 Nov 2026\n",
            "cloud-init has finished without a trace of its user-data",
        ),
        (
            "cloud-init: DataSourceNone: Used fallback datasource\n",
            "cloud-init found neither metadata service nor config drive",
        ),
        ("connect: Network is unreachable\n", "the machine has no network"),
        (
            "cloud-init[123]: 2026-11-23 09:33:17,095 - util.py[WARNING]: Running module write-files (<module \
             'cloudinit.config.cc_write_files' from '/usr/lib/python3/dist-packages/cloudinit/config/cc_write_files.py'>) failed\n",
            "cloud-init failed",
        ),
        (
            "[FAILED] Failed to start cloud-final.service… Execute cloud user/final scripts.\n",
            "cloud-init failed",
        ),
    ];
    for (said, expected) in cases {
        let found = diagnose(&format!("{booted}{said}")).unwrap();
        assert_eq!(found.cause, expected, "{said}");
    }
    assert_eq!(
        cause("\r\n \r\n").as_deref(),
        Some("its console is empty: it has not booted")
    );
    assert_eq!(
        cause("").as_deref(),
        Some("its console is empty: it has not booted")
    );
    assert_eq!(cause(booted), None, "what it does not know it does not tell");
}

#[test]
fn an_image_that_is_made_for_something_else_is_final() {
    for program in ["kubeadm", "kubelet"] {
        let cause = format!("{program} is missing: this image is not made for Kubernetes");
        let console = format!(
            "jeroboam: this node has its keys\r\njeroboam: {cause}\r\njeroboam: waiting for something\r\n"
        );
        let found = diagnose(&console).unwrap();
        assert_eq!((found.cause, found.outlook), (cause, Outlook::Final));
    }
}

#[test]
fn what_does_not_mend_itself_is_told_from_what_may_pass() {
    let outlook = |said: &str| diagnose(said).unwrap().outlook;
    for lasting in [
        "jeroboam: image mirror.example/kube-apiserver:v1.31.2 cannot be pulled: dial tcp: i/o timeout",
        "jeroboam: the kubelet does not start: unknown flag: --no-such-flag",
        "Kernel panic - not syncing: Attempted to kill init!",
        "util.py[WARNING]: Failed loading yaml blob. Invalid format at line 3",
        "[FAILED] Failed to start Initial cloud-init job (metadata service crawler).",
        "You are in emergency mode. After logging in, type \"journalctl -xb\"",
    ] {
        assert_eq!(outlook(lasting), Outlook::Lasting, "{lasting}");
        // What came later counts.
        let later = format!("{lasting}\r\njeroboam: joining the cluster as soon as it answers\r\n");
        if !lasting.starts_with("Kernel") {
            assert_eq!(outlook(&later), Outlook::Passing, "{later}");
        }
    }
    for passing in [
        "jeroboam: not a node yet: image of something",
        "jeroboam: no keys yet: the service does not answer at https://192.0.2.1:9513",
        "kubelet: failed to pull image: dial tcp: i/o timeout",
        "connect: Network is unreachable",
        "",
    ] {
        assert_eq!(outlook(passing), Outlook::Passing, "{passing}");
    }
}

#[test]
fn nothing_that_looks_like_a_secret_gets_out() {
    let secrets = [
        "SWMTKN-1-49nj1cmql0jkz5s954yi3oex3nedyz0fb0xx14ie39trti4wxv-8vxv8rssmk743ojnwacrr2e7c",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.e30.c2ln",
        "token=0123456789abcdef0123456789abcdef0123456789abcdef",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "-----BEGIN",
        "\"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\"",
    ];
    for secret in secrets {
        let found = cause(&format!("jeroboam: not a node yet: it has {secret} and more")).unwrap();
        assert_eq!(found, "not a node yet: it has … and more", "{secret}");
    }
    let long = cause(&format!("jeroboam: {}", "very ".repeat(100))).unwrap();
    assert_eq!(long.chars().count(), LONGEST);
    let odd = cause("jeroboam: a\u{1b}[2Jb\u{7}c\n").unwrap();
    assert_eq!(odd, "ab c");
}
