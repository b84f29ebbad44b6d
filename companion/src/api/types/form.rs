//! Conversion between the domain and the bodies of the interface.

/// A domain type that is answered over the interface, and the body that carries it.
pub trait Resource: Sized {
    /// The body.
    type Body: From<Self> + Into<Self> + serde::Serialize + serde::de::DeserializeOwned;
}

/// Both conversions of a resource, field by field; a field that is left out does not compile. What a field's own value needs
/// follows its name: `into` converts it, `maybe` what an `Option` holds, `each` what a list holds, `keys` the keys of a map, and
/// `read` what an `Option` holds, where the body can hold what the domain has no value for.
macro_rules! resource {
    ($($domain:ident)::+ => $body:ident { $($field:ident $(: $how:ident)?),* $(,)? }) => {
        impl From<$($domain)::+> for $body {
            fn from(domain: $($domain)::+) -> Self {
                let $($domain)::+ { $($field),* } = domain;
                Self { $($field: $crate::api::types::form::to_body!($field $($how)?)),* }
            }
        }

        impl From<$body> for $($domain)::+ {
            fn from(body: $body) -> Self {
                let $body { $($field),* } = body;
                Self { $($field: $crate::api::types::form::to_domain!($field $($how)?)),* }
            }
        }

        impl $crate::api::types::form::Resource for $($domain)::+ {
            type Body = $body;
        }
    };
}

/// The conversions of a request, field by field as in [`resource`], and the check without which no request becomes one of the
/// domain.
macro_rules! request {
    ($($domain:ident)::+ => $body:ident { $($field:ident $(: $how:ident)?),* $(,)? } by $check:path) => {
        impl From<$($domain)::+> for $body {
            fn from(domain: $($domain)::+) -> Self {
                let $($domain)::+ { $($field),* } = domain;
                Self { $($field: $crate::api::types::form::to_body!($field $($how)?)),* }
            }
        }

        impl $body {
            /// The request as it is, before it is checked.
            pub(crate) fn unchecked(self) -> $($domain)::+ {
                let Self { $($field),* } = self;
                $($domain)::+ { $($field: $crate::api::types::form::to_domain!($field $($how)?)),* }
            }
        }

        impl TryFrom<$body> for $($domain)::+ {
            type Error = $crate::problem::Problem;

            fn try_from(body: $body) -> Result<Self, Self::Error> {
                let request = body.unchecked();
                $check(&request)?;
                Ok(request)
            }
        }
    };
}

/// Both conversions of an enum whose variants hold nothing.
macro_rules! words {
    ($module:ident::$domain:ident => $body:ident { $($variant:ident),* $(,)? }) => {
        impl From<$module::$domain> for $body {
            fn from(domain: $module::$domain) -> Self {
                match domain {
                    $($module::$domain::$variant => Self::$variant,)*
                }
            }
        }

        impl From<$body> for $module::$domain {
            fn from(body: $body) -> Self {
                match body {
                    $($body::$variant => Self::$variant,)*
                }
            }
        }
    };
}

macro_rules! to_body {
    ($value:ident) => {
        $value
    };
    ($value:ident into) => {
        $value.into()
    };
    ($value:ident maybe) => {
        $value.map(Into::into)
    };
    ($value:ident read) => {
        $value.map(Into::into)
    };
    ($value:ident request) => {
        $value.map(Into::into)
    };
    ($value:ident each) => {
        $value.into_iter().map(Into::into).collect()
    };
    ($value:ident keys) => {
        $value.into_iter().map(|(key, value)| (key.into(), value)).collect()
    };
}

macro_rules! to_domain {
    ($value:ident read) => { $value.and_then(|value| value.read()) };
    ($value:ident request) => { $value.map(|value| value.unchecked()) };
    ($value:ident $($how:ident)?) => { $crate::api::types::form::to_body!($value $($how)?) };
}

pub(super) use {request, resource, to_body, to_domain, words};
