//! How an option is declared: once, with name, type, default and help.

use crate::ConfigError;
use crate::source::Source;

/// What an option is when nobody sets it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Initial {
    /// This text, read as if it stood in a file: it may refer to other options.
    Text(&'static str),
    /// Nothing.
    Unset,
    /// The name of this machine.
    HostName,
}

/// The declaration of an option.
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) secret: bool,
    pub(crate) initial: Initial,
    /// Lines with a space in front.
    pub(crate) help: &'static [&'static str],
}

/// A section that exists under one or more names.
pub(crate) trait Section: Sized {
    const ABOUT: &'static [&'static str];
    const OPTIONS: &'static [OptionSpec];

    fn read(section: &'static str, source: &Source) -> Result<Self, ConfigError>;
}

/// The declaration of a section under its name.
pub(crate) struct SectionSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static [&'static str],
    pub(crate) options: &'static [OptionSpec],
}

impl SectionSpec {
    pub(crate) const fn of<S: Section>(name: &'static str) -> Self {
        Self {
            name,
            about: S::ABOUT,
            options: S::OPTIONS,
        }
    }
}

/// Declares sections: `name: type = initial value;`, and a check behind a comma where the type alone does not
/// tell what is valid. Comments become both the documentation and the reference configuration.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $section:ident {
            $($(#[doc = $help:literal])+ $option:ident: $type:ty = $initial:expr $(, $check:expr)?;)+
        }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $section {
            $($(#[doc = $help])+ pub $option: $type,)+
        }

        impl $crate::option::Section for $section {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const OPTIONS: &'static [$crate::option::OptionSpec] = &[$(
                $crate::option::OptionSpec {
                    name: stringify!($option),
                    kind: <$type as $crate::value::OptionValue>::KIND,
                    secret: <$type as $crate::value::OptionValue>::SECRET,
                    initial: $initial,
                    help: &[$($help),+],
                },
            )+];

            fn read(
                section: &'static str,
                source: &$crate::source::Source,
            ) -> Result<Self, $crate::ConfigError> {
                Ok(Self {
                    $($option: {
                        let value: $type = source.read(section, stringify!($option))?;
                        $(source.check(section, stringify!($option), &value, $check)?;)?
                        value
                    },)+
                })
            }
        }
    )+};
}

pub(crate) use sections;
