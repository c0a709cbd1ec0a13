//! Why a node did not become one, from what its machine wrote to its console.
//!
//! Pure. The console is the tenant's: what is taken from it are lines of known kinds, shortened, and never anything
//! that looks like a key or a token.

/// Why a node did not become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The cause, for the tenant.
    pub cause: String,
    /// Whether it may pass.
    pub outlook: Outlook,
}

/// What becomes of a cause when nobody does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// It may pass.
    Passing,
    /// It stays unless somebody changes something. What has lasted for a while may be given up.
    Lasting,
    /// No time will make the machine a node.
    Final,
}

impl Diagnosis {
    fn new(cause: impl Into<String>, outlook: Outlook) -> Self {
        Self {
            cause: cause.into(),
            outlook,
        }
    }
}

/// Characters of a cause.
const LONGEST: usize = 300;

/// Characters of a word from which on it may be a key or a token.
const LONGEST_WORD: usize = 40;

/// What the programs on our nodes begin their lines with.
const OURS: &str = "jeroboam: ";

/// What they say when an image can never make a node.
const FINAL: &[&str] = &["kubeadm is missing", "kubelet is missing"];

/// What they say of what does not mend itself, by beginning and end of the words before the cause.
const LASTING: &[(&str, &str)] = &[
    ("image ", " cannot be pulled"),
    ("the kubelet does not start", ""),
];

/// What others say, and what it means; what stands first is nearest to the cause.
const SIGNS: &[(&str, &str)] = &[
    ("Kernel panic - not syncing", "the kernel panicked"),
    (
        "Out of memory: Killed process",
        "the machine has too little memory",
    ),
    ("No space left on device", "the machine's disk is full"),
    ("failed to pull and unpack image", "an image cannot be pulled"),
    ("failed to pull image", "an image cannot be pulled"),
    ("ErrImagePull", "an image cannot be pulled"),
    ("Failed loading yaml blob", "cloud-init cannot read its user-data"),
    ("Unhandled non-multipart", "cloud-init cannot read its user-data"),
    (
        "No instance datasource found",
        "cloud-init found neither metadata service nor config drive",
    ),
    (
        "Used fallback datasource",
        "cloud-init found neither metadata service nor config drive",
    ),
    (
        "Datasource DataSourceNone",
        "cloud-init found neither metadata service nor config drive",
    ),
    (
        "giving up on md from",
        "cloud-init does not reach the metadata service",
    ),
    (
        "169.254.169.254",
        "cloud-init does not reach the metadata service",
    ),
    ("Network is unreachable", "the machine has no network"),
    ("Failed to start Wait for Network", "the machine has no network"),
    (
        "Failed to start Raise network interfaces",
        "the machine has no network",
    ),
    ("[WARNING]: Running module ", "cloud-init failed"),
    ("Failed to start cloud-", "cloud-init failed"),
    ("Failed to start Initial cloud-init job", "cloud-init failed"),
    (
        "Failed to start Apply the settings specified in cloud-config",
        "cloud-init failed",
    ),
    (
        "Failed to start Execute cloud user/final scripts",
        "cloud-init failed",
    ),
    (
        "You are in emergency mode",
        "the machine stopped in emergency mode",
    ),
    ("dracut-initqueue timeout", "the machine does not find its disk"),
    ("No bootable device", "the machine does not find anything to boot"),
];

/// Of their meanings those that do not mend themselves: a machine is set up once.
const DEAD: &[&str] = &[
    "the kernel panicked",
    "cloud-init cannot read its user-data",
    "cloud-init found neither metadata service nor config drive",
    "cloud-init failed",
    "the machine stopped in emergency mode",
    "the machine does not find its disk",
    "the machine does not find anything to boot",
];

/// Of the signs above, what a machine may say although all is well.
const ONLY_IF_FAILED: &str = "169.254.169.254";

/// The cause that a console tells last and best; `None` when it tells nothing of use.
pub fn diagnose(console: &str) -> Option<Diagnosis> {
    let lines: Vec<String> = console.lines().map(plain).collect();
    let said = |sign: &str| {
        lines.iter().rev().find(|line| {
            line.contains(sign)
                && (sign != ONLY_IF_FAILED || line.contains("failed") || line.contains("WARNING"))
        })
    };
    if let Some((sign, meaning)) = SIGNS.first()
        && let Some(line) = said(sign)
    {
        return Some(Diagnosis::new(
            quoted(meaning, after(line, sign)),
            outlook_of(meaning),
        ));
    }
    let ours = || {
        lines
            .iter()
            .rev()
            .filter_map(|line| Some(line.split_once(OURS)?.1.trim()))
    };
    if let Some(words) = ours().find(|words| FINAL.iter().any(|end| words.starts_with(end))) {
        return Some(Diagnosis::new(guarded(words), Outlook::Final));
    }
    if let Some(words) = ours().next() {
        let lasts = |(begin, end): &(&str, &str)| words.starts_with(begin) && words.contains(end);
        let outlook = match LASTING.iter().any(lasts) {
            true => Outlook::Lasting,
            false => Outlook::Passing,
        };
        return Some(Diagnosis::new(guarded(words), outlook));
    }
    if let Some((sign, meaning, line)) = SIGNS
        .iter()
        .skip(1)
        .find_map(|(sign, meaning)| Some((sign, meaning, said(sign)?)))
    {
        let cause = match meaning.starts_with("an image") {
            true => quoted(meaning, &line[line.find(sign).unwrap_or(0)..]),
            false => (*meaning).to_owned(),
        };
        return Some(Diagnosis::new(cause, outlook_of(meaning)));
    }
    let passing = |cause: &str| Diagnosis::new(cause, Outlook::Passing);
    if lines.iter().all(|line| line.trim().is_empty()) {
        return Some(passing("its console is empty: it has not booted"));
    }
    let is_done = said("Cloud-init").is_some_and(|line| line.contains("finished"));
    is_done.then(|| passing("cloud-init has finished without a trace of its user-data"))
}

fn outlook_of(meaning: &str) -> Outlook {
    match DEAD.contains(&meaning) {
        true => Outlook::Lasting,
        false => Outlook::Passing,
    }
}

fn after<'a>(line: &'a str, sign: &str) -> &'a str {
    line.split_once(sign)
        .map_or("", |(_, rest)| rest)
        .trim_start_matches([':', ' '])
}

fn quoted(meaning: &str, words: &str) -> String {
    match words.trim() {
        "" => meaning.to_owned(),
        words => guarded(&format!("{meaning}: {words}")),
    }
}

/// A line without what terminals are told with.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // Escape sequences end in a letter.
            '\u{1b}' => drop(letters.find(char::is_ascii_alphabetic)),
            letter if letter.is_control() => text.push(' '),
            letter => text.push(letter),
        }
    }
    text
}

/// Shortened, and without what may be a key or a token.
fn guarded(words: &str) -> String {
    let kept = words.split_whitespace().map(|word| {
        let is_secret = word.starts_with("SWMTKN-")
            || word.starts_with("eyJ")
            || word.contains("-----BEGIN")
            || word.split(['/', '.', ':', '=', ',', '"', '\'']).any(is_opaque);
        if is_secret { "…" } else { word }
    });
    let text = kept.collect::<Vec<_>>().join(" ");
    text.chars().take(LONGEST).collect()
}

/// True for what nobody would write by hand.
fn is_opaque(part: &str) -> bool {
    let of_code = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '-' || c == '_';
    part.len() >= LONGEST_WORD && part.chars().all(of_code)
}

#[cfg(test)]
mod tests;
