//! The reference configuration, in the shape of oslo.config's generator: every option with its help, commented
//! out, set to its default.

use crate::config::SECTIONS;
use crate::option::{Initial, OptionSpec};

pub(crate) fn sample() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("[{}]\n#\n", section.name));
        for line in section.about {
            text.push_str(&format!("#{line}\n"));
        }
        text.push_str("#\n");
        for option in section.options {
            text.push('\n');
            push_option(&mut text, option);
        }
    }
    text
}

fn push_option(text: &mut String, option: &OptionSpec) {
    let note = match option.initial {
        Initial::Text(_) => "",
        Initial::Unset => ", unset by default",
        Initial::HostName => ", the name of this machine by default",
    };
    for line in option.help {
        text.push_str(&format!("#{line}\n"));
    }
    text.push_str(&format!("# ({}{note})\n", option.kind));
    match option.initial {
        Initial::Text("") | Initial::Unset | Initial::HostName => {
            text.push_str(&format!("#{} =\n", option.name))
        }
        Initial::Text(default) => text.push_str(&format!("#{} = {default}\n", option.name)),
    }
}
