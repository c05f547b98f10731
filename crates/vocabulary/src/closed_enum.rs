//! Enumerations whose values are a contract: one table gives the variants, their names on the
//! wire, what they mean, and the schema.

/// Declares an enum with closed values. The doc comment of a variant is also its
/// [`meaning`](comptroller_core::api::Severity::meaning), which `kubectl explain` and reports show.
#[macro_export]
macro_rules! closed_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $(#[$default:ident])? $variant:ident = $wire:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            $crate::serde::Serialize, $crate::serde::Deserialize,
        )]

        $vis enum $name {
            $($(#[doc = $doc])+ $(#[$default])? #[serde(rename = $wire)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire, in metrics and in reports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// What the value means, in one line.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        $crate::closed_enum_schema!($name);
    };
}

/// The schema of a closed enum: its names, and what they mean.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[macro_export]
macro_rules! closed_enum_schema {
    ($name:ident) => {
        impl $crate::schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut $crate::schemars::SchemaGenerator) -> $crate::schemars::Schema {
                let names: Vec<&str> = Self::ALL.iter().map(|value| value.as_str()).collect();
                let meanings: Vec<String> = Self::ALL
                    .iter()
                    .map(|value| format!("{}: {}", value.as_str(), value.meaning()))
                    .collect();
                $crate::schemars::json_schema!({
                    "type": "string",
                    "enum": names,
                    "description": meanings.join("\n"),
                })
            }
        }
    };
}

/// Without schemas there is nothing to say.
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[macro_export]
macro_rules! closed_enum_schema {
    ($name:ident) => {};
}
