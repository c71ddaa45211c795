//! Leaves the names of functions out of the wasm module: `strip = true` alone keeps them, a tenth of its size.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_wasm = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_wasm && is_release {
        println!("cargo:rustc-link-arg-bins=--strip-all");
    }
}
