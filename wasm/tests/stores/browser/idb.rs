//! A database with a store of chunks.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::call;
use crate::chunks::Keeper;

/// The database.
pub(crate) struct Database(JsValue);

impl Database {
    /// One that is empty.
    pub(crate) async fn new(name: &str) -> Self {
        let body = "return new Promise((ok, no) => {
            const gone = indexedDB.deleteDatabase(name);
            gone.onerror = () => no(gone.error);
            gone.onsuccess = () => {
                const request = indexedDB.open(name, 1);
                request.onupgradeneeded = () => request.result.createObjectStore('chunks');
                request.onerror = () => no(request.error);
                request.onsuccess = () => ok(request.result);
            };
        })";
        Self(call("name", body, &[name.into()]).await)
    }
}

impl Keeper for Database {
    async fn numbers(&mut self) -> Vec<u32> {
        let body = "return new Promise((ok, no) => {
            const request = db.transaction('chunks').objectStore('chunks').getAllKeys();
            request.onerror = () => no(request.error);
            request.onsuccess = () => ok(request.result);
        })";
        let numbers: Array = call("db", body, std::slice::from_ref(&self.0)).await.unchecked_into();
        numbers.iter().map(|number| number.as_f64().expect("keys are numbers") as u32).collect()
    }

    async fn get(&mut self, numbers: &[u32]) -> Vec<Option<Vec<u8>>> {
        if numbers.is_empty() {
            return Vec::new();
        }
        let body = "return new Promise((ok, no) => {
            const transaction = db.transaction('chunks');
            const store = transaction.objectStore('chunks');
            const requests = numbers.map((number) => store.get(number));
            transaction.onabort = () => no(transaction.error);
            transaction.oncomplete = () => ok(requests.map((request) => request.result));
        })";
        let numbers: Array = numbers.iter().map(|&number| JsValue::from(number)).collect();
        let found: Array =
            call("db, numbers", body, &[self.0.clone(), numbers.into()]).await.unchecked_into();
        let bytes = |value: JsValue| value.dyn_into::<Uint8Array>().ok().map(|array| array.to_vec());
        found.iter().map(bytes).collect()
    }

    async fn put(&mut self, chunks: Vec<(u32, Vec<u8>)>) -> bool {
        let body = "return new Promise((ok, no) => {
            const transaction = db.transaction('chunks', 'readwrite', { durability: 'strict' });
            const store = transaction.objectStore('chunks');
            numbers.forEach((number, i) => store.put(values[i], number));
            transaction.onabort = () => no(transaction.error);
            transaction.oncomplete = () => ok();
        })";
        let numbers: Array = chunks.iter().map(|(number, _)| JsValue::from(*number)).collect();
        let values: Array =
            chunks.iter().map(|(_, bytes)| JsValue::from(Uint8Array::from(&bytes[..]))).collect();
        call("db, numbers, values", body, &[self.0.clone(), numbers.into(), values.into()]).await;
        true
    }
}
