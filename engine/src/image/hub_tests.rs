//! Docker Hub as a learner meets it: accounts, namespaces, public and private repositories. Messages are the oracle's.

use bottleship_oci::media_type as mt;
use futures::executor::block_on;
use serde_json::json;

use super::remote_tests::scripted;
use super::testing::World;
use super::transfer_tests::{A, B, pull, pull_as, push, push_as};
use super::*;
use crate::api::types::AuthConfig;
use crate::emulated::StoredContent;
use crate::registry::Hub;
use crate::store::{MemoryStore, Store};

const DENIED: &str = "denied: requested access to the resource is denied";

fn open(world: &World, store: &Rc<dyn Store>) -> Rc<Hub> {
    let hub = Rc::new(Hub::new(
        Rc::new(StoredContent::of_hub(store.clone())),
        store.clone(),
        world.clock.clone(),
        Rc::new(crate::clock::SeededEntropy::new([9; 32])),
    ));
    world.images.attach_registry("docker.io", hub.clone());
    hub
}

fn with_hub() -> (World, Rc<Hub>, Rc<dyn Store>) {
    let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
    let world = World::new();
    let hub = open(&world, &store);
    (world, hub, store)
}

fn as_user(name: &str, password: &str) -> AuthConfig {
    AuthConfig {
        username: name.into(),
        password: password.into(),
        serveraddress: "https://index.docker.io/v1/".into(),
        ..AuthConfig::default()
    }
}

fn login(world: &World, name: &str, password: &str) -> Result<(), String> {
    block_on(world.images.login(as_user(name, password))).map_err(|e| e.message)
}

#[test]
fn everyone_has_a_namespace_of_their_own() {
    let (world, _, store) = with_hub();
    world.load(
        &[A],
        &["alice/app:1", "bobby/app:1", "library/app:1", "app:1"],
    );
    // Nobody pushes without an account, and credentials that were never logged in with are none.
    assert_eq!(push(&world, "alice/app:1"), Err(DENIED.into()));
    let stranger = push_as(&world, "alice/app:1", as_user("alice", "secret"));
    assert!(stranger.is_err_and(|e| e.contains("incorrect username or password")));
    assert_eq!(login(&world, "alice", "secret"), Ok(()));
    assert_eq!(login(&world, "bobby", "other"), Ok(()));
    let wrong = login(&world, "alice", "guess");
    assert_eq!(
        wrong,
        Err("Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password".into())
    );
    let alice = || as_user("alice", "secret");
    let pushed = push_as(&world, "alice/app:1", alice()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        pushed[0],
        "The push refers to repository [docker.io/alice/app]"
    );
    assert!(pushed[2].ends_with(": Pushed"), "{pushed:?}");
    let again = push_as(&world, "alice/app:1", alice()).unwrap_or_default();
    assert!(again[2].ends_with(": Layer already exists"), "{again:?}");
    for name in ["bobby/app:1", "library/app:1", "app:1"] {
        assert_eq!(push_as(&world, name, alice()), Err(DENIED.into()), "{name}");
    }
    // What is public is everyone's, from another machine and after a restart, too.
    let other = World::new();
    open(&other, &store);
    assert!(pull(&other, "alice/app:1").is_ok());
    assert_eq!(login(&other, "alice", "secret"), Ok(()));
    assert!(login(&other, "alice", "guess").is_err());
    // A layer of a neighbour's is not sent again.
    world.load(&[A], &["bobby/copy:1"]);
    let copied = push_as(&world, "bobby/copy:1", as_user("bobby", "other")).unwrap_or_default();
    assert!(
        copied[2].ends_with(": Mounted from alice/app"),
        "{copied:?}"
    );
}

#[test]
fn private_repositories_do_not_exist_for_others() {
    let (world, hub, store) = with_hub();
    world.load(&[A, B], &["alice/secret:1"]);
    for name in ["alice", "mallory"] {
        assert_eq!(login(&world, name, "pw"), Ok(()));
    }
    let alice = || as_user("alice", "pw");
    assert!(push_as(&world, "alice/secret:1", alice()).is_ok());
    block_on(hub.set_private("alice/secret", true)).unwrap_or_else(|e| panic!("{e}"));
    let other = World::new();
    let hub = open(&other, &store);
    let hidden = "pull access denied for alice/secret, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
    assert_eq!(pull(&other, "alice/secret:1"), Err(hidden.into()));
    let mallory = || as_user("mallory", "pw");
    assert_eq!(
        pull_as(&other, "alice/secret:1", mallory()),
        Err(hidden.into())
    );
    assert_eq!(
        pull_as(&other, "alice/secret", mallory()),
        Err(hidden.into())
    );
    // Row C31: nor may its layers be taken by who knows their digests.
    other.load(&[A, B], &["mallory/mine:1"]);
    let taken = push_as(&other, "mallory/mine:1", mallory()).unwrap_or_else(|e| panic!("{e}"));
    assert!(
        !taken.iter().any(|line| line.contains("Mounted from")),
        "{taken:?}"
    );
    assert!(pull_as(&other, "alice/secret:1", alice()).is_ok());
    let found = |world: &World| {
        let filters = crate::api::filters::Filters::default();
        let search = Search {
            term: "a",
            limit: 0,
            filters: &filters,
        };
        let found = block_on(world.images.search(search)).unwrap_or_default();
        found.into_iter().map(|r| r.name).collect::<Vec<_>>()
    };
    assert_eq!(found(&other), ["mallory/mine"]);
    block_on(hub.set_private("alice/secret", false)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found(&other), ["alice/secret", "mallory/mine"]);
}

#[test]
fn what_is_elsewhere_is_still_found() {
    let (script, world) = scripted();
    let store: Rc<dyn Store> = Rc::new(MemoryStore::default());
    open(&world, &store);
    script.on(
        "/v2/library/busybox/tags/list",
        "application/json",
        json!({"name": "library/busybox", "tags": ["latest"]}).to_string(),
    );
    assert_eq!(
        pull(&world, "busybox:nosuchtag"),
        Err("manifest for busybox:nosuchtag not found: manifest unknown: manifest unknown".into())
    );
    let missing = pull(&world, "nosuchimage:latest").unwrap_err();
    assert!(
        missing.starts_with("pull access denied for nosuchimage"),
        "{missing}"
    );
    let config = super::testing::config(&[A]);
    let manifest = script.image_named("library/busybox", &config, &[A]);
    script.on(
        "/v2/library/busybox/manifests/latest",
        mt::OCI_MANIFEST,
        manifest,
    );
    assert!(pull(&world, "busybox:latest").is_ok());
}
