//! A Docker Hub of one's own: accounts, namespaces, public and private repositories, behind the token protocol of the
//! real one.
//!
//! Logging in under a name that nobody has makes the account. Who has an account pushes to repositories of that name;
//! everyone pulls what is public. As at Docker Hub, a repository that may not be seen is said not to exist.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::lock::Mutex;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::token::same;
use super::{Grant, Limits, Registry, TokenAuthority};
use crate::api::query::Query;
use crate::clock::{Clock, Entropy};
use crate::content::ContentStore;
use crate::fetch::{Fetch, FetchError, FetchRequest, FetchResponse};
use crate::store::{Op, Store, StoreError};

/// Where tokens are, as a registry's challenge says.
const REALM: &str = "https://auth.docker.io/token";
const SERVICE: &str = "registry.docker.io";
/// Seconds that a token is good for.
const LIFE: i64 = 300;
const ACCOUNTS: &str = "hub-account";
const PRIVATE: &str = "hub-private";
/// Accounts at most; whoever can log in can make them.
const ACCOUNTS_MAX: usize = 1000;

/// What is kept of a password.
#[derive(Clone, Serialize, Deserialize)]
struct Account {
    salt: String,
    hash: String,
}

impl Account {
    fn new(password: &str, entropy: &dyn Entropy) -> Account {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let salt = hex::encode(salt);
        let hash = hash(&salt, password);
        Account { salt, hash }
    }

    fn is(&self, password: &str) -> bool {
        same(self.hash.as_bytes(), hash(&self.salt, password).as_bytes())
    }
}

fn hash(salt: &str, password: &str) -> String {
    hex::encode(Sha256::digest(format!("{salt}:{password}")))
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, Account>,
    private: BTreeSet<String>,
}

/// The hub, as an engine's client sees it.
pub struct Hub {
    registry: Registry,
    authority: Rc<TokenAuthority>,
    store: Rc<dyn Store>,
    entropy: Rc<dyn Entropy>,
    state: RefCell<State>,
    loaded: Mutex<bool>,
}

/// A login that was wrong.
struct WrongPassword;

impl Hub {
    /// A hub. `content` must be its own.
    pub fn new(
        content: Rc<dyn ContentStore>,
        store: Rc<dyn Store>,
        clock: Rc<dyn Clock>,
        entropy: Rc<dyn Entropy>,
    ) -> Hub {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        let authority = Rc::new(TokenAuthority::new(REALM, SERVICE, key, clock.clone()));
        let registry = Registry::new(
            content,
            store.clone(),
            clock,
            entropy.clone(),
            authority.clone(),
            Limits::default(),
        );
        Hub {
            registry: registry.in_buckets(super::state::HUB),
            authority,
            store,
            entropy,
            state: RefCell::default(),
            loaded: Mutex::new(false),
        }
    }

    async fn load(&self) -> Result<(), StoreError> {
        let mut loaded = self.loaded.lock().await;
        if !*loaded {
            let mut state = State::default();
            for (name, value) in self.store.load(ACCOUNTS).await? {
                if let Ok(account) = serde_json::from_slice(&value) {
                    state.accounts.insert(name, account);
                }
            }
            let private = self.store.load(PRIVATE).await?;
            state.private = private.into_iter().map(|(name, _)| name).collect();
            *self.state.borrow_mut() = state;
            *loaded = true;
        }
        Ok(())
    }

    /// Whether only its owner sees a repository.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_private(&self, repository: &str, private: bool) -> Result<(), StoreError> {
        self.load().await?;
        let (bucket, key) = (PRIVATE, repository.to_owned());
        let op = match private {
            true => Op::Put {
                bucket,
                key,
                value: Bytes::new(),
            },
            false => Op::Delete { bucket, key },
        };
        self.store.commit(vec![op]).await?;
        let mut state = self.state.borrow_mut();
        match private {
            true => state.private.insert(repository.to_owned()),
            false => state.private.remove(repository),
        };
        Ok(())
    }

    /// Who sends these headers; nobody without credentials. With `sign_up`, a name that is free is taken.
    async fn account(
        &self,
        headers: &HeaderMap,
        sign_up: bool,
    ) -> Result<Option<String>, WrongPassword> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(None);
        };
        let text = header.to_str().map_err(|_| WrongPassword)?;
        let (_, encoded) = text.split_once(' ').ok_or(WrongPassword)?;
        let decoded = STANDARD.decode(encoded.trim()).map_err(|_| WrongPassword)?;
        let text = String::from_utf8(decoded).map_err(|_| WrongPassword)?;
        let (name, password) = text.split_once(':').ok_or(WrongPassword)?;
        let known = self.state.borrow().accounts.get(name).cloned();
        match known {
            Some(account) if account.is(password) => return Ok(Some(name.to_owned())),
            Some(_) => return Err(WrongPassword),
            None => {}
        }
        let full = self.state.borrow().accounts.len() >= ACCOUNTS_MAX;
        if !sign_up || full || !is_account_name(name) || password.is_empty() {
            return Err(WrongPassword);
        }
        let account = Account::new(password, &*self.entropy);
        let value = serde_json::to_vec(&account).unwrap_or_default();
        let put = Op::Put {
            bucket: ACCOUNTS,
            key: name.to_owned(),
            value: value.into(),
        };
        let kept = self.store.commit(vec![put]).await;
        kept.map_err(|_| WrongPassword)?;
        let mut state = self.state.borrow_mut();
        state.accounts.insert(name.to_owned(), account);
        Ok(Some(name.to_owned()))
    }

    /// What an account may do in a repository.
    fn rights(
        &self,
        account: Option<&str>,
        repository: &str,
        exists: bool,
    ) -> &'static [&'static str] {
        let owner = repository.split_once('/').map(|(owner, _)| owner);
        if account.is_some() && owner == account {
            return &["pull", "push", "delete"];
        }
        match exists && !self.state.borrow().private.contains(repository) {
            true => &["pull"],
            false => &[],
        }
    }

    /// `GET /token?service=…&scope=…` (distribution's token specification).
    async fn token(&self, request: &FetchRequest) -> (StatusCode, Value) {
        let query = request.url.split_once('?').map_or("", |(_, query)| query);
        let query = Query::parse(query);
        let wanted = scopes(&query.all("scope").join(" "));
        // Only `docker login` asks for nothing in particular.
        let account = match self.account(&request.headers, wanted.is_empty()).await {
            Ok(account) => account,
            Err(WrongPassword) => {
                let details = json!({"details": "incorrect username or password"});
                return (StatusCode::UNAUTHORIZED, details);
            }
        };
        let mut grants = Vec::new();
        for mut grant in wanted {
            let exists = self.registry.has_repository(&grant.name).await;
            let rights = self.rights(account.as_deref(), &grant.name, exists);
            grant
                .actions
                .retain(|action| rights.contains(&action.as_str()));
            grants.push(grant);
        }
        let subject = account.unwrap_or_default();
        let token = self.authority.issue(&subject, grants, LIFE);
        (StatusCode::OK, json!({"token": token, "expires_in": LIFE}))
    }

    /// What `docker search` finds: the public repositories.
    async fn catalog(&self) -> (StatusCode, Value) {
        let names = self.registry.repositories().await;
        let state = self.state.borrow();
        let public = names
            .into_iter()
            .filter(|name| !state.private.contains(name));
        let entries: Vec<Value> = public.map(|name| json!({"name": name})).collect();
        (StatusCode::OK, json!({"repositories": entries}))
    }
}

/// Docker Hub's rule for names of accounts.
fn is_account_name(name: &str) -> bool {
    (4..=30).contains(&name.len())
        && name != "library"
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// `repository:alice/app:pull,push`, several of them separated by blanks. A repository without a name, as of
/// `docker login`, is none.
fn scopes(text: &str) -> Vec<Grant> {
    let grant = |scope: &str| {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        (kind == "repository" && !name.is_empty()).then(|| Grant {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: actions.split(',').map(str::to_owned).collect(),
        })
    };
    text.split(' ').take(16).filter_map(grant).collect()
}

#[async_trait(?Send)]
impl Fetch for Hub {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.load()
            .await
            .map_err(|error| FetchError(error.to_string()))?;
        let is = |path: &str| request.url.split('?').next() == Some(path);
        let (status, value) = if is(REALM) {
            self.token(&request).await
        } else if request.url.ends_with("/v2/catalog.json") {
            self.catalog().await
        } else {
            return self.registry.fetch(request).await;
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Bytes::from(value.to_string());
        Ok(FetchResponse {
            status,
            headers,
            body: Box::pin(futures::stream::iter([Ok(body)])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read() {
        let grants = scopes("repository:me/a:pull,push repository:b:pull repository::pull x");
        let names: Vec<_> = grants
            .iter()
            .map(|g| (g.name.as_str(), g.actions.len()))
            .collect();
        assert_eq!(names, [("me/a", 2), ("b", 1)]);
        assert!(scopes("").is_empty());
    }

    #[test]
    fn account_names_are_docker_hubs() {
        for (name, fine) in [
            ("alice", true),
            ("bob1", true),
            ("bob", false),
            ("Alice", false),
            ("a/b/c", false),
            ("library", false),
            (&"a".repeat(31), false),
        ] {
            assert_eq!(is_account_name(name), fine, "{name}");
        }
    }
}
