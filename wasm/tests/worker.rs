//! In a dedicated worker of a browser: what the crate takes for granted there.

#![cfg(target_arch = "wasm32")]

use js_sys::{Reflect, global};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use xfskit_wasm::disk::Disk;

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
fn tests_run_in_a_worker() {
    let has = |name: &str| Reflect::has(&global(), &name.into()).expect("the global scope is an object");
    assert!(has("importScripts") && !has("document"));
}

#[wasm_bindgen_test]
fn a_disk_in_memory_keeps_what_was_written() {
    let mut disk = Disk::memory(1e6).expect("memory is there");
    disk.write(4096.0, b"hello").expect("inside of it");
    assert_eq!(disk.read(4095.0, 7.0).expect("inside of it").to_vec(), *b"\0hello\0");
    assert!(disk.read(1e6, 1.0).is_err());
}
