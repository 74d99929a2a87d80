//! What errors say. A derive would say it as well, and bring six crates that the building of this one waits for.

/// Implements `Display` by a message for each pattern, which may name what the pattern binds
/// and has room for one value `with` it, and `Error`.
/// With `from Source as Variant` the error is also made of its source, and tells it.
macro_rules! messages {
    ($error:ident $(from $source:ident as $variant:ident)? {
        $($pattern:pat => $message:literal $(with $value:expr)?,)+
    }) => {
        impl core::fmt::Display for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    $($pattern => write!(f, $message $(, $value)?),)+
                }
            }
        }

        impl core::error::Error for $error {
            $(fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
                match self {
                    Self::$variant(source) => Some(source),
                    _ => None,
                }
            })?
        }

        $(impl From<$source> for $error {
            fn from(source: $source) -> Self {
                Self::$variant(source)
            }
        })?
    };
}
