//! Cases from a seed: policy files, defaults, targets and credentials, good and bad.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// A rule that a service registers.
#[derive(Clone)]
pub struct Default {
    pub name: String,
    pub check: String,
    pub deprecated: Option<(String, String)>,
    pub scopes: Vec<&'static str>,
}

/// Rule, target, credentials.
pub type Check = (String, Map<String, Value>, Map<String, Value>);

/// A set of rules and what is asked of it.
pub struct Case {
    pub file: String,
    pub registered: Vec<Default>,
    pub enforce_new_defaults: bool,
    pub default_rule: String,
    pub form: bool,
    pub checks: Vec<Check>,
}

const RULES: [&str; 7] = ["r0", "r1", "r2", "r3", "cluster:get", "default", "none"];

/// Checks that make sense more often than not.
const CHECKS: &[&str] = &[
    "@",
    "!",
    "role:admin",
    "role:MEMBER",
    "role:%(role)s",
    "role:%(missing)s",
    "role:%(role)d",
    "rule:r0",
    "rule:r1",
    "rule:r2",
    "rule:r3",
    "rule:cluster:get",
    "rule:undefined",
    "rule:%(role)s",
    "user_id:%(user_id)s",
    "project_id:%(project_id)s",
    "project_id:%(missing)s",
    "project_id:p1",
    "is_admin:True",
    "is_admin:False",
    "system_scope:all",
    "system:all",
    "domain_id:%(domain)s",
    "None:%(nothing)s",
    "nothing:None",
    "True:%(flag)s",
    "False:%(flag)s",
    "5:%(number)s",
    "-5:-%(number)s",
    "05:5",
    "0x5:%(number)s",
    "1.50:%(float)s",
    "1e16:%(big)s",
    "number:%(number)d",
    "number:%(number)s",
    "number:%(flag)d",
    "float:%(float)s",
    "'p1':%(project_id)s",
    "\"p1\":%(project_id)s",
    "u'p1':%(project_id)s",
    "'p''1':%(project_id)s",
    "'p1:%(project_id)s",
    "'p1'",
    "token.user.name:%(name)s",
    "token.user.name:ann",
    "token.groups:%(name)s",
    "token.groups:g2",
    "token.projects.id:p2",
    "token.projects.id.x:p2",
    "token.user.missing:x",
    "token.user:{'name': 'ann'}",
    "token.user.name.first:x",
    "user_id.x:y",
    "roles:admin",
    "roles:%(role)s",
    "roles.x:y",
    "nothing.x:y",
    "empty:x",
    "project-id:x",
    "a/b:c",
    "a..b:c",
    "class:x",
    "not-a-thing:x",
    "lambda:x",
    "a[0]:b",
    "1a:b",
    ":x",
    "x:",
    ":",
    "nocolon",
    "key.with.dots:%(user.id)s",
    "dotted:%(user.id)s",
    "pair:%(user_id)s:%(project_id)s",
    "pair:%(missing)s:%(project_id)s",
    "list:%(list)s",
    "quoted:%(name)r",
    "object:%(object)s",
    "percent:100%%",
    "percent:100%",
    "percent:%(name)",
    "percent:%(name",
    "padded:%(name)5s",
    "padded:%(name)-5s|",
    "zeros:%(number)03d",
    "cut:%(name).2s",
    "unknown:%(name)q",
    "http://one/%(user_id)s/1",
    "http://two/%(missing)s/1",
    "https://three/2",
    "https://four/%(name)s",
];

pub fn generate(seed: u64, cases: usize, checks: usize) -> Vec<Case> {
    let mut rng = Rng::with_seed(seed);
    (0..cases).map(|_| case(&mut rng, checks)).collect()
}

fn one<'a, T>(rng: &mut Rng, all: &'a [T]) -> &'a T {
    &all[rng.usize(..all.len())]
}

fn case(rng: &mut Rng, checks: usize) -> Case {
    let mut file = Map::new();
    for name in RULES.iter().take(5) {
        if rng.u8(..10) < 7 {
            file.insert((*name).to_owned(), rule(rng));
        }
    }
    if rng.u8(..4) == 0 {
        file.insert("default".to_owned(), rule(rng));
    }
    if rng.u8(..6) == 0 {
        file.insert("old:name".to_owned(), rule(rng));
    }
    let registered = ["r1", "r3", "cluster:get"]
        .into_iter()
        .filter(|_| rng.bool())
        .collect::<Vec<_>>();
    let registered = registered.into_iter().map(|name| default(rng, name)).collect();
    let file = match rng.u8(..60) {
        0 => "- a\n- b\n".to_owned(),
        1 => "r0: true\n".to_owned(),
        2 => "r0: \"unfinished\n".to_owned(),
        3 => String::new(),
        4 => "# nothing\n".to_owned(),
        5 => "r0: role:admin\n\"cluster:get\": >-\n  role:admin or\n  role:member\n".to_owned(),
        _ => Value::Object(file).to_string(),
    };
    Case {
        file,
        registered,
        enforce_new_defaults: rng.bool(),
        default_rule: (*one(rng, &["default", "r0", "nowhere"])).to_owned(),
        form: rng.bool(),
        checks: (0..checks)
            .map(|_| ((*one(rng, &RULES)).to_owned(), target(rng), credentials(rng)))
            .collect(),
    }
}

fn default(rng: &mut Rng, name: &str) -> Default {
    let deprecated = (rng.u8(..3) == 0).then(|| {
        let old = if rng.bool() { "old:name" } else { name };
        (old.to_owned(), text(rng))
    });
    let scopes: &[&[&str]] = &[&[], &["project"], &["system", "project"], &["domain"]];
    Default {
        name: name.to_owned(),
        check: text(rng),
        deprecated,
        scopes: one(rng, scopes).to_vec(),
    }
}

/// A rule of a file: mostly text.
fn rule(rng: &mut Rng) -> Value {
    match rng.u8(..20) {
        0 => Value::from(""),
        1 => Value::Null,
        2..=4 => {
            let inner = |rng: &mut Rng| match rng.u8(..6) {
                0 => Value::from(*one(rng, CHECKS)),
                1 => json!([]),
                2 => json!(""),
                _ => (0..rng.usize(1..4)).map(|_| *one(rng, CHECKS)).collect::<Value>(),
            };
            (0..rng.usize(..4)).map(|_| inner(rng)).collect()
        }
        _ => Value::from(text(rng)),
    }
}

/// A rule in the language, at times with a word too many or too few.
fn text(rng: &mut Rng) -> String {
    let depth = rng.usize(..4);
    let mut words: Vec<String> = expression(rng, depth).split(' ').map(str::to_owned).collect();
    if rng.u8(..8) == 0 {
        let place = rng.usize(..words.len());
        match rng.u8(..4) {
            0 => drop(words.remove(place)),
            1 => words.insert(
                place,
                (*one(rng, &["and", "or", "not", "(", ")", "()", "'x'", "oops"])).to_owned(),
            ),
            2 => words[place].push(')'),
            _ => words[place].insert(0, '('),
        }
    }
    let blank = *one(rng, &[" ", " ", " ", "  ", "\t", " \n "]);
    words.join(blank)
}

fn expression(rng: &mut Rng, depth: usize) -> String {
    if depth == 0 {
        return (*one(rng, CHECKS)).to_owned();
    }
    let word = |rng: &mut Rng, word: &str| {
        if rng.u8(..5) == 0 {
            word.to_uppercase()
        } else {
            word.to_owned()
        }
    };
    match rng.u8(..7) {
        0 => format!("{} {}", word(rng, "not"), expression(rng, 0)),
        1 => format!("{} ({})", word(rng, "not"), expression(rng, depth - 1)),
        2 => format!("({})", expression(rng, depth - 1)),
        3 | 4 => format!(
            "{} {} {}",
            expression(rng, depth - 1),
            word(rng, "and"),
            expression(rng, depth - 1)
        ),
        _ => format!(
            "{} {} {}",
            expression(rng, depth - 1),
            word(rng, "or"),
            expression(rng, depth - 1)
        ),
    }
}

/// Some members of an object, each with one of its values.
fn some(rng: &mut Rng, members: &[(&str, Value)]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, values) in members {
        if rng.u8(..5) > 0 {
            let value = one(rng, values.as_array().unwrap()).clone();
            object.insert((*name).to_owned(), value);
        }
    }
    object
}

fn target(rng: &mut Rng) -> Map<String, Value> {
    some(
        rng,
        &[
            ("project_id", json!(["p1", "p2", null])),
            ("user_id", json!(["u1", "u2", null])),
            ("user.id", json!(["u1"])),
            ("role", json!(["admin", "Member", 5])),
            ("domain", json!(["d1", ""])),
            ("nothing", json!([null])),
            ("flag", json!([true, false])),
            ("number", json!([5, -5, 0, 7.9])),
            ("float", json!([1.5, 2.0, 1e-7])),
            ("big", json!([1e16, 12_345_678_901_234_567_u64])),
            ("name", json!(["ann", "g2", "it's", "h\u{e9}", "a\nb"])),
            ("list", json!([["a"], [], ["it's", 1, null, true, 0.5]])),
            ("object", json!([{"a": 1, "b": [null]}, {}])),
        ],
    )
}

fn credentials(rng: &mut Rng) -> Map<String, Value> {
    some(
        rng,
        &[
            ("user_id", json!(["u1", "u2"])),
            ("project_id", json!(["p1", "p2", null])),
            ("domain_id", json!(["d1", null])),
            ("system_scope", json!(["all", null, ""])),
            ("system", json!(["all", null])),
            ("is_admin", json!([true, false])),
            (
                "roles",
                json!([
                    ["admin"],
                    ["Member", "reader"],
                    [],
                    ["member", "ADMIN"],
                    "admin",
                    null,
                    [1],
                    ["5"]
                ]),
            ),
            ("nothing", json!([null])),
            ("empty", json!([[], ""])),
            ("number", json!([5, "5", -5, 1])),
            ("float", json!([1.5, 1e-7])),
            ("dotted", json!(["u1"])),
            ("pair", json!(["u1:p1"])),
            ("list", json!(["['a']", "[]"])),
            ("quoted", json!(["'ann'", "\"it's\"", "'a\\nb'"])),
            ("object", json!(["{'a': 1, 'b': [None]}"])),
            ("percent", json!(["100%"])),
            ("padded", json!(["  ann", "ann  |"])),
            ("zeros", json!(["005", "-05", "007"])),
            ("cut", json!(["an", "it"])),
            (
                "token",
                json!([
                    {"user": {"name": "ann"}, "groups": ["g1", "g2"], "projects": [{"id": "p1"}, {"id": "p2"}]},
                    {"user": "ann", "groups": [], "projects": [{"id": {"x": "p2"}}, "odd"]},
                    "flat",
                    [{"user": {"name": "ann"}}],
                ]),
            ),
        ],
    )
}
