//! Files of the origin's private file system.

use js_sys::{Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use xfskit_wasm::store::file::{HostFile, SyncFile};
use xfskit_wasm::store::raw::RawFile;

use super::call;
use crate::files::Source;

/// A file, and the handle by which it is open.
pub(crate) struct File {
    name: String,
    handle: Option<JsValue>,
}

impl File {
    /// A file that is not there yet.
    pub(crate) async fn new(name: &str) -> Self {
        let body =
            "return navigator.storage.getDirectory().then((dir) => dir.removeEntry(name)).catch(() => {})";
        call("name", body, &[name.into()]).await;
        Self { name: name.into(), handle: None }
    }
}

impl Source for File {
    async fn open(&mut self) -> Box<dyn RawFile> {
        self.close().await;
        let body = "return navigator.storage.getDirectory()
            .then((dir) => dir.getFileHandle(name, { create: true }))
            .then((file) => file.createSyncAccessHandle())";
        let handle = call("name", body, &[self.name.as_str().into()]).await;
        self.handle = Some(handle.clone());
        Box::new(HostFile::new(handle.unchecked_into::<SyncFile>()))
    }

    async fn close(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let close = Reflect::get(&handle, &"close".into()).expect("handles can be closed");
        close.unchecked_into::<Function>().call0(&handle).expect("closing never fails");
    }
}
