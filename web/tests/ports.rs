//! The ports in a real Chromium's worker.
#![cfg(target_arch = "wasm32")]

use std::cell::Cell;
use std::rc::Rc;

use bottleship_engine::clock::{Clock, Entropy};
use bottleship_engine::fetch::{Fetch, FetchRequest};
use bottleship_engine::store::{Op, Store};
use bottleship_web::port::{PageClock, PageEntropy, PageFetch, PageStore};
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Method};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn put(bucket: &'static str, key: &str, value: &[u8]) -> Op {
    Op::Put {
        bucket,
        key: key.into(),
        value: Bytes::copy_from_slice(value),
    }
}

fn delete(bucket: &'static str, key: &str) -> Op {
    Op::Delete {
        bucket,
        key: key.into(),
    }
}

async fn fresh(name: &str) -> PageStore {
    let store = PageStore::open(name).await.unwrap();
    store.clear().await.unwrap();
    store
}

#[wasm_bindgen_test]
async fn what_is_committed_is_there_after_opening_again() {
    let store = fresh("again").await;
    store
        .commit(vec![
            put("a", "2", b"two"),
            put("a", "10", b""),
            put("b", "1", b"other"),
        ])
        .await
        .unwrap();
    store.close();

    let store = PageStore::open("again").await.unwrap();
    assert_eq!(
        store.load("a").await.unwrap(),
        [
            ("10".to_owned(), Bytes::new()),
            ("2".to_owned(), Bytes::from("two"))
        ]
    );
    assert_eq!(
        store.list("a").await.unwrap(),
        [("10".to_owned(), 0), ("2".to_owned(), 3)]
    );
    assert_eq!(
        store.get("b", "1").await.unwrap(),
        Some(Bytes::from("other"))
    );
    assert_eq!(store.get("b", "2").await.unwrap(), None);
    assert!(store.load("none").await.unwrap().is_empty());
}

#[wasm_bindgen_test]
async fn deleting_takes_the_value_and_its_length() {
    let store = fresh("deleting").await;
    store
        .commit(vec![put("a", "x", b"1"), put("a", "y", b"2")])
        .await
        .unwrap();
    store
        .commit(vec![
            delete("a", "x"),
            delete("a", "never"),
            put("a", "y", b"longer"),
        ])
        .await
        .unwrap();
    assert_eq!(store.list("a").await.unwrap(), [("y".to_owned(), 6)]);
    assert_eq!(store.get("a", "x").await.unwrap(), None);
}

#[wasm_bindgen_test]
async fn buckets_whose_names_begin_alike_are_apart() {
    let store = fresh("alike").await;
    store
        .commit(vec![put("layer", "k", b"1"), put("layers", "k", b"2")])
        .await
        .unwrap();
    assert_eq!(store.load("layer").await.unwrap().len(), 1);
    assert_eq!(store.load("layers").await.unwrap()[0].1, "2");
}

#[wasm_bindgen_test]
async fn a_thousand_values_in_a_commit_are_quick() {
    let store = fresh("thousand").await;
    let value = vec![7u8; 4096];
    let ops = (0..1000)
        .map(|n| put("blob", &format!("{n:04}"), &value))
        .collect();
    let start = PageClock.monotonic();
    store.commit(ops).await.unwrap();
    let ms = (PageClock.monotonic() - start) / 1_000_000;
    assert_eq!(store.list("blob").await.unwrap().len(), 1000);
    assert!(ms < 5000, "1000 × 4 KiB took {ms} ms");
}

#[wasm_bindgen_test]
fn random_bytes_are_not_the_same_twice_and_may_be_many() {
    let mut one = vec![0u8; 200_000];
    let mut two = one.clone();
    PageEntropy.fill(&mut one);
    PageEntropy.fill(&mut two);
    assert_ne!(one, two);
    assert_ne!(&one[190_000..190_032], &[0u8; 32]);
}

#[wasm_bindgen_test]
fn the_clocks_run() {
    let year_2020 = 1_577_836_800_000_000_000i128;
    assert!(PageClock.now().nanos() > year_2020);
    let start = PageClock.monotonic();
    while PageClock.monotonic() - start < 2_000_000 {}
}

#[wasm_bindgen_test]
async fn fetch_streams_a_body_and_says_why_it_failed() {
    let request = |url: &str| FetchRequest {
        method: Method::GET,
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let response = PageFetch::default()
        .fetch(request("data:text/plain,hello%20there"))
        .await
        .unwrap();
    assert_eq!(response.status, 200);
    let parts: Vec<_> = response.body.map(Result::unwrap).collect().await;
    assert_eq!(parts.concat(), b"hello there");

    let error = PageFetch::default()
        .fetch(request("http://127.0.0.1:1/v2/"))
        .await
        .err()
        .unwrap();
    assert!(
        error.0.starts_with("Get \"http://127.0.0.1:1/v2/\": "),
        "{error}"
    );
}

#[wasm_bindgen_test]
async fn many_wakes_make_one_call() {
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let closure = Closure::<dyn FnMut()>::new(move || counted.set(counted.get() + 1));
    let waker =
        bottleship_web::waker::waker(closure.as_ref().unchecked_ref::<js_sys::Function>().clone());
    for _ in 0..100 {
        waker.wake_by_ref();
    }
    assert_eq!(calls.get(), 0, "not while the engine is borrowed");
    let later = js_sys::Promise::resolve(&JsValue::NULL);
    wasm_bindgen_futures::JsFuture::from(later).await.unwrap();
    wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&JsValue::NULL))
        .await
        .unwrap();
    assert_eq!(calls.get(), 1);
}
