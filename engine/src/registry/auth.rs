//! Who may do what.

use std::fmt;

use http::HeaderMap;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The registry as such (`/v2/`).
    Registry,
    /// The list of repositories.
    Catalog,
    /// A repository.
    Repository(String),
}

/// What a request wants to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Remove.
    Delete,
}

impl Action {
    /// The action's name in a token's scope.
    pub fn name(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
            Action::Delete => "delete",
        }
    }
}

/// What a client is told to come back with; printed as `WWW-Authenticate`'s value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password.
    Basic {
        /// What for.
        realm: String,
    },
    /// A token.
    Bearer {
        /// Where to get one.
        realm: String,
        /// For whom.
        service: String,
        /// For what, `repository:x:pull`; empty for nothing in particular.
        scope: String,
        /// Why the token given does not do, if one was given.
        error: Option<&'static str>,
    },
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Challenge::Basic { realm } => write!(f, "Basic realm=\"{realm}\""),
            Challenge::Bearer {
                realm,
                service,
                scope,
                error,
            } => {
                write!(f, "Bearer realm=\"{realm}\",service=\"{service}\"")?;
                if !scope.is_empty() {
                    write!(f, ",scope=\"{scope}\"")?;
                }
                match error {
                    Some(error) => write!(f, ",error=\"{error}\""),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Decides about requests.
pub trait Authorizer {
    /// Whether whoever sends these headers may.
    fn authorize(
        &self,
        headers: &HeaderMap,
        resource: &Resource,
        action: Action,
    ) -> Result<(), Challenge>;
}

/// Everyone may do everything: a registry of one's own.
pub struct Open;

impl Authorizer for Open {
    fn authorize(&self, _: &HeaderMap, _: &Resource, _: Action) -> Result<(), Challenge> {
        Ok(())
    }
}
