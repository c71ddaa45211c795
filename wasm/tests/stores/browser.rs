//! OPFS and IndexedDB, in a dedicated worker.
//!
//! To be killed is here to be dropped without a word: what the browser was given by then is there the next time.

mod idb;
mod opfs;

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::chunks::{InChunks, Limited};
use crate::files::InFile;
use crate::overlay::Over;
use crate::place::{LEN_BYTES, Memory};
use crate::scenario::{Run, image_on_a_server, kills, kills_over_a_server, no_more_room, random_operations};
use idb::Database;
use opfs::File;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Calls a piece of JavaScript, the body of a function of `names`, and waits for the promise that it returns.
async fn call(names: &str, body: &str, values: &[JsValue]) -> JsValue {
    let function = js_sys::Function::new_with_args(names, body);
    let values: js_sys::Array = values.iter().collect();
    let promise = function.apply(&JsValue::NULL, &values).expect("a promise");
    let done = JsFuture::from(js_sys::Promise::resolve(&promise)).await;
    done.unwrap_or_else(|error| panic!("{body}: {error:?}"))
}

#[wasm_bindgen_test]
async fn operations_in_memory() {
    random_operations(&mut Memory::default(), 11, 200).await;
}

#[wasm_bindgen_test]
async fn operations_in_a_raw_file_of_opfs() {
    random_operations(&mut InFile::raw(File::new("raw").await), 12, 200).await;
}

#[wasm_bindgen_test]
async fn operations_in_a_packed_file_of_opfs() {
    random_operations(&mut InFile::packed(File::new("packed").await), 13, 200).await;
}

#[wasm_bindgen_test]
async fn operations_in_indexeddb() {
    let database = Database::new("operations").await;
    random_operations(&mut InChunks::new(database, LEN_BYTES, 4 << 20), 14, 200).await;
}

#[wasm_bindgen_test]
async fn kills_in_opfs() {
    let mut raw = InFile::raw(File::new("raw-killed").await);
    kills(Run::format(&mut raw, 15).await, 15, 40).await;
    let mut packed = InFile::packed(File::new("packed-killed").await);
    kills(Run::format(&mut packed, 16).await, 16, 40).await;
}

#[wasm_bindgen_test]
async fn kills_in_indexeddb() {
    for (seed, memory_bytes) in [(17, 0), (18, 16 << 20)] {
        let database = Database::new(&format!("killed-{seed}")).await;
        let mut place = InChunks::new(database, LEN_BYTES, memory_bytes);
        kills(Run::format(&mut place, seed).await, seed, 40).await;
    }
}

#[wasm_bindgen_test]
async fn kills_over_a_server_in_indexeddb() {
    let (server, tree) = image_on_a_server(19).await;
    let upper_bytes = Over::<InChunks<Database>>::upper_bytes(&server);
    let upper = InChunks::new(Database::new("upper").await, upper_bytes, 4 << 20);
    kills_over_a_server(&mut Over::new(server, upper), &tree, 19, 40).await;
}

#[wasm_bindgen_test]
async fn no_more_room_in_indexeddb() {
    let left = Rc::new(Cell::new(u64::MAX));
    let database = Limited { keeper: Database::new("full").await, left: Rc::clone(&left) };
    let mut place = InChunks::new(database, LEN_BYTES, 4 << 20);
    no_more_room(&mut place, || left.set(50), || left.set(u64::MAX)).await;
}
