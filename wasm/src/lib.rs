//! try
use wasm_bindgen::prelude::*;
/// Try.
#[wasm_bindgen]
pub struct Disk {
    a: u32,
}
#[wasm_bindgen]
impl Disk {
    /// Try.
    pub fn len(&self) -> f64 {
        f64::from(self.a)
    }
}
#[wasm_bindgen]
extern "C" {
    /// A file.
    pub type SyncFile;
    #[wasm_bindgen(method, catch)]
    fn flush(this: &SyncFile) -> Result<(), JsValue>;
}
